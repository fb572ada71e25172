// What every module of the console draws with.
import { h } from "../vendor/preact.js";
import htm from "../vendor/htm.js";

export { Fragment, render } from "../vendor/preact.js";
export { useEffect, useMemo, useRef, useState } from "../vendor/hooks.js";
export { computed, effect, signal, useSignal } from "../vendor/signals.js";

export const html = htm.bind(h);
