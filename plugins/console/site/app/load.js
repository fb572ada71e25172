// Loads what a page shows, shows what is known while it loads again, and tries again when the server was away.
import { useEffect, useRef, useState } from "./ui.js";

const RETRY_MS = 3000;

// `again` is how many milliseconds after an answer the next one is asked for while the page is seen; 0 asks once.
export function useLoaded(load, keys, again = 0) {
  const [state, set] = useState({ value: null, error: null, at: 0 });
  const latest = useRef(0);
  const [turn, setTurn] = useState(0);
  useEffect(() => set({ value: null, error: null, at: 0 }), keys);
  useEffect(() => {
    const number = ++latest.current;
    let timer = 0;
    const next = (delay) => {
      timer = setTimeout(() => (document.hidden ? next(delay) : setTurn((value) => value + 1)), delay);
    };
    load().then(
      (value) => {
        if (number !== latest.current) return;
        set({ value, error: null, at: Date.now() });
        if (again) next(again);
      },
      (error) => {
        if (number !== latest.current) return;
        set((before) => ({ ...before, error }));
        if (error.status === 0 || error.status === 503) next(RETRY_MS);
      },
    );
    return () => {
      latest.current++;
      clearTimeout(timer);
    };
  }, [...keys, turn]);
  return { ...state, reload: () => setTurn((value) => value + 1) };
}
