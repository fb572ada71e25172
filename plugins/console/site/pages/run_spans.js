// The spans of a history: what began at one event and ended at another one.

const BEGINS = {
  TASK_SCHEDULED: ["task", "taskExecutionId", "kind"],
  TIMER_STARTED: ["timer", "timerId", "timerId"],
  PROMISE_CREATED: ["promise", "promiseId", "promiseName"],
  CHILD_WORKFLOW_INITIATED: ["child", "childExecutionName", "childWorkflowKind"],
};
const ENDS = {
  TASK_COMPLETED: ["task", "taskExecutionId", "completed"],
  TASK_FAILED: ["task", "taskExecutionId", "failed"],
  TASK_CANCELLED: ["task", "taskExecutionId", "cancelled"],
  TIMER_FIRED: ["timer", "timerId", "completed"],
  TIMER_CANCELLED: ["timer", "timerId", "cancelled"],
  PROMISE_RESOLVED: ["promise", "promiseId", "completed"],
  PROMISE_REJECTED: ["promise", "promiseId", "failed"],
  PROMISE_TIMEOUT: ["promise", "promiseId", "failed"],
  CHILD_WORKFLOW_COMPLETED: ["child", "childExecutionName", "completed"],
  CHILD_WORKFLOW_FAILED: ["child", "childExecutionName", "failed"],
};
const POINTS = { SIGNAL_RECEIVED: ["signal", "signalName"], OPERATION_COMPLETED: ["step", "operationName"] };

export function spansOf(events) {
  const open = new Map();
  const found = [];
  for (const { eventType, data, timestamp, sequence } of events) {
    const values = data ?? {};
    if (BEGINS[eventType]) {
      const [kind, key, label] = BEGINS[eventType];
      const span = { kind, id: String(values[key]), name: String(values[label] ?? values[key]), start: timestamp, end: null, outcome: "open", sequence };
      open.set(`${kind} ${span.id}`, span);
      found.push(span);
    } else if (ENDS[eventType]) {
      const [kind, key, outcome] = ENDS[eventType];
      const span = open.get(`${kind} ${values[key]}`);
      if (span) Object.assign(span, { end: timestamp, outcome });
    } else if (POINTS[eventType]) {
      const [kind, label] = POINTS[eventType];
      found.push({ kind, id: String(sequence), name: String(values[label]), start: timestamp, end: timestamp, outcome: "completed", sequence });
    }
  }
  return found;
}

// Maps moments to places from 0 to 1. A time in which nothing begins or ends for long gets a small, marked width.
export function foldedScale(spans, first, last) {
  const moments = [...new Set([first, last, ...spans.flatMap((each) => [+new Date(each.start), each.end ? +new Date(each.end) : last])])]
    .filter((each) => each >= first && each <= last)
    .sort((a, b) => a - b);
  const gaps = moments.slice(1).map((each, index) => each - moments[index]);
  const busy = gaps.toSorted((a, b) => a - b);
  const usual = Math.max(busy[Math.floor(busy.length * 0.75)] ?? 0, (last - first) / 1000, 1);
  const longest = usual * 4;
  const widths = gaps.map((gap) => Math.min(gap, longest));
  const whole = widths.reduce((sum, each) => sum + each, 0) || 1;
  const places = [0];
  widths.forEach((each, index) => places.push(places[index] + each / whole));
  const folds = gaps.flatMap((gap, index) => (gap > longest * 1.5 ? [{ from: places[index], to: places[index + 1], length: gap }] : []));
  const placeOf = (moment) => {
    let low = 0;
    let high = moments.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (moments[middle] <= moment) low = middle;
      else high = middle - 1;
    }
    const gap = gaps[low];
    return gap ? places[low] + ((moment - moments[low]) / gap) * (places[low + 1] - places[low]) : (places[low] ?? 1);
  };
  return { placeOf, folds };
}
