// The sign-in: any credential that the server admits opens a session.
import { html, useEffect, useRef, useState } from "../app/ui.js";
import { base, go, home, query } from "../app/address.js";
import { signIn } from "../app/api.js";
import { Problem } from "../app/parts.js";

// Only a path of this server: an address of another one would lead people away after they signed in.
function wanted() {
  const next = query.value.get("next") ?? "";
  const url = new URL(next || home, location.origin);
  return next.startsWith("/") && url.origin === location.origin && url.pathname.startsWith(base) ? url : new URL(home, location.origin);
}

function leave() {
  const url = wanted();
  if (url.pathname === home || url.pathname.startsWith(`${home}/`)) go(url.pathname.slice(home.length) + url.search, { replace: true });
  else location.replace(url);
}

export function SignIn() {
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const field = useRef(null);
  useEffect(() => {
    document.title = "Sign in · Flovyn";
    field.current.focus();
  }, []);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await signIn(field.current.value.trim());
      field.current.value = "";
      leave();
    } catch (failed) {
      setError(failed.status === 401 ? { ...failed, message: "The server does not know this credential." } : failed);
      setBusy(false);
      field.current.select();
    }
  };
  return html`<main class="sign-in">
    <form onSubmit=${submit}>
      <div class="mark big" aria-hidden="true"></div>
      <h1>Sign in to Flovyn</h1>
      <p>With an API key, a worker token or a JWT: with any credential that this server admits.</p>
      <label class="field"><span>Credential</span>
        <input ref=${field} name="credential" type="password" autocomplete="current-password" required spellcheck=${false} aria-describedby="kept" />
        <small id="kept">The browser keeps a session, and never the credential.</small>
      </label>
      <${Problem} error=${error} />
      <button class="primary" disabled=${busy}>${busy ? "Signing in…" : "Sign in"}</button>
    </form>
  </main>`;
}
