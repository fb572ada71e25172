#!/usr/bin/env bash
# A PostgreSQL of the machine's packages, with a role `flovyn` that may make roles, and one empty database for each name.
#   .ci/database.sh flovyn flovyn_scie      for machines of continuous integration: installs and starts what is missing
set -euo pipefail

role="CREATE ROLE flovyn LOGIN CREATEROLE PASSWORD 'flovyn'"
if [ "$(uname)" = Darwin ]; then
    brew install postgresql@17
    brew services start postgresql@17
    PATH="$(brew --prefix postgresql@17)/bin:$PATH"
    until pg_isready; do sleep 1; done
    sql() { psql postgres -c "$1"; }
else
    sudo apt-get update -qq
    sudo apt-get install -y -qq --no-install-recommends postgresql
    sudo systemctl start postgresql
    sql() { sudo -u postgres psql -c "$1"; }
fi
sql "$role"
for name in "$@"; do sql "CREATE DATABASE $name OWNER flovyn"; done
