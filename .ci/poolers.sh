#!/usr/bin/env bash
# The server through PgBouncer in transaction mode: the tests of poolers; with --calls, calls about workflows, tasks, agents
# and timers as well; with --all, every test of tests/integration/server.
#   .ci/poolers.sh PROGRAM [--calls | --all]
set -euo pipefail
cd "$(dirname "$0")/.."
folder=//tests/integration/server
through=("$folder":test_workflow_calls "$folder":test_task_calls "$folder":test_agents "$folder":test_timers "$folder":test_leadership)
[ "${2:-}" != --all ] || through=("$folder/...")
bazel() { ./bazelw test --color=no --curses=no --test_env="TEST_PGBOUNCER=$1" "${@:2}"; }
bazel "$1" "$folder":test_poolers
[ -z "${2:-}" ] || bazel "$1" --test_env=TEST_THROUGH_PGBOUNCER=1 "${through[@]}"
