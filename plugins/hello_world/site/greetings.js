// Fills an element with the greetings; the console shows it, too (see `console_pages` in plugin.py).
export async function show(element, api) {
  const list = document.createElement("ul");
  const add = (text) => {
    const item = document.createElement("li");
    item.textContent = text;
    list.append(item);
  };
  try {
    const { greetings } = await api.get("/api/v1/p/hello-world/greetings");
    for (const { greeting, times } of greetings) add(`${greeting} (${times})`);
    if (!greetings.length) add("There are no greetings yet.");
  } catch (error) {
    add(error.message);
  }
  element.append(list);
}
