// Fills an element with the greetings; the console shows it, too (see `console_pages` in plugin.py).
export async function show(element, api) {
  const list = document.createElement("ul");
  try {
    const { greetings } = await api.get("/api/v1/p/hello-world/greetings");
    for (const { greeting, times } of greetings) {
      const item = document.createElement("li");
      item.textContent = `${greeting} (${times})`;
      list.append(item);
    }
    if (!greetings.length) list.append("There are no greetings yet.");
  } catch (error) {
    list.append(error.message);
  }
  element.append(list);
}
