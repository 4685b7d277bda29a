#!/usr/bin/env bash
# The whole command against its floor: reading the same file and writing the same bytes with cat and cp.
#
#     benches/whole_command.sh MODEL [RUNS]
#
# MODEL is what make_resnet50.py writes. Needs hyperfine. Both write into one folder on the same disk.
set -euo pipefail
model=$(realpath "$1")
runs=${2:-10}
cd "$(dirname "$0")/.."
cargo build --release --quiet
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
command="$PWD/target/release/gen_params"
"$command" "$model" 24 -o "$place/parameters" 2>/dev/null
echo "$(stat -c %s "$model") bytes read, $(du -sb "$place/parameters" | cut -f1) bytes written"
hyperfine --warmup 2 --runs "$runs" --prepare "rm -rf $place/out" \
    --command-name "gen_params" "$command $model 24 -o $place/out" \
    --command-name "cat and cp" "cat $model >/dev/null && cp -r $place/parameters $place/out"
