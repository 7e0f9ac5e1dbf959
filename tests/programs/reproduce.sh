#!/usr/bin/env bash
# reproduce on synthetic images: cut at any point it goes on and ends in the same models, to the bit; what is done is skipped; what
# is damaged is said, and done again only on request; bad input is refused by one line and exit code 2.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/tiny.json" <<'JSON'
{
  "about": "Seconds.",
  "dataset": "synthetic",
  "options": {"profile": "pareto", "ratio": 100, "arch": "resnet10", "stem": "imagenet", "width": 2, "projector": "mlp", "epochs": 2,
              "batch-size": 64, "optimizer": "sgd", "lr": 0.1, "warmup-epochs": 1, "checkpoint-every": 1, "metrics-every": 1},
  "methods": [{"name": "simclr"}, {"name": "lotar", "lotar": "readme"}, {"name": "never", "method": "simclr", "lr": 1e38}],
  "evaluation": {"protocol": "standardized", "few-shot": 2},
  "published": {"synthetic": {"source": "nobody", "methods": {"simclr": {"all": [12.5, 0.25]}}}}
}
JSON
reproduce() { "$PROGRAMS/reproduce" --recipe "$work/tiny.json" --methods simclr,lotar --splits 1,2 --out "$work/out" "$@"; }
fail() {
  echo "$*"
  [[ -f $work/stderr ]] && tail -n 20 "$work/stderr"
  exit 1
}
# quietly COMMAND...: into $work/stdout and $work/stderr; its exit code in $status
quietly() {
  status=0
  "$@" >"$work/stdout" 2>"$work/stderr" || status=$?
}
expect() { ((status == $1)) || fail "wanted exit code $1, got $status"; }
said() { grep -qF -- "$1" "$work/stderr" || fail "not said: $1"; }

# straight through
quietly reproduce
expect 0
said '== lotar, split 2 (4 of 4)'
grep -Eq '^simclr +2 ( +[0-9.]+ ± +[0-9.]+){5}$' "$work/stdout" || fail "no table: $(cat "$work/stdout")"
grep -Eq '^  published .* 12\.50 ±  0\.25 +-$' "$work/stdout" || fail "nothing published: $(cat "$work/stdout")"
grep -q 'Linear probe: difference to simclr' "$work/stdout"
for file in table.txt table.md table.csv results.json report.html reproduce.json; do [[ -s $work/out/$file ]] || fail "no $file"; done
(($(wc -l <"$work/out/table.csv") == 5))
! grep -Eq 'http|<script|nan' "$work/out/report.html" || fail "the page is not alone: $(grep -Eo 'http|<script|nan' "$work/out/report.html" | head -n 1)"
(($(grep -c '<svg' "$work/out/report.html") == 19))  # one of all methods, and nine of each
grep -q 'lotar_split2' "$work/out/report.html"

# cut three times: all processes killed, only reproduce killed, and asked to stop
wait_for() {  # FILE: until it is there
  for ((i = 0; i < 12000; ++i)); do
    [[ -e $1 ]] && return
    sleep 0.005
  done
  fail "never came: $1"
}
begin() {  # in a process group of its own; its number in $group
  setsid "$PROGRAMS/reproduce" --recipe "$work/tiny.json" --methods simclr,lotar --splits 1,2 --out "$work/cut" >/dev/null 2>"$work/stderr" &
  group=$!
}
ended() { wait "$group" 2>/dev/null && status=0 || status=$?; }
begin
wait_for "$work/cut/simclr_split1/metrics.jsonl"
kill -KILL -- "-$group"
ended
[[ ! -e $work/cut/simclr_split1/results.json ]] || fail "it was cut too late to show anything"
begin
wait_for "$work/cut/lotar_split1/config.json"
kill -KILL "$group"
ended
begin
wait_for "$work/cut/simclr_split2/config.json"
kill -INT "$group"
ended
expect 130
said 'stopped; the same command goes on'
mkdir "$work/cut/lotar_split2"
echo '{' >"$work/cut/lotar_split2/config.json.tmp12.0"
quietly reproduce --out "$work/cut"
expect 0
said '== simclr, split 1 (1 of 4): done already'
said '== simclr, split 2 (3 of 4): goes on'
for run in simclr_split1 simclr_split2 lotar_split1 lotar_split2; do
  cmp "$work/out/$run/model.safetensors" "$work/cut/$run/model.safetensors"
done
cmp "$work/out/table.csv" "$work/cut/table.csv"
[[ -z $(find "$work/cut" -name '*.tmp*') ]] || fail "leftovers: $(find "$work/cut" -name '*.tmp*')"

# what is done is skipped; the table alone needs no recipe
models() { (cd "$work/out" && stat -c '%n %Y %i' ./*/model.safetensors); }
before=$(models)
quietly reproduce
expect 0
(($(grep -c 'done already$' "$work/stderr") == 4)) || fail "not skipped"
quietly "$PROGRAMS/reproduce" --table-only --out "$work/out"
expect 0
diff <(head -n -2 "$work/stdout") "$work/out/table.txt" || fail "another table"
[[ $before == "$(models)" ]] || fail "a run that was done was touched"

# results of other options, or of another update than the last, do not count: the run is judged again
cp -r "$work/out" "$work/judged"
judge() { "$PROGRAMS/linear_eval" --run "$work/judged/$1" "${@:2}" >/dev/null 2>&1; }
judge simclr_split1 --protocol standardized --few-shot 3
judge lotar_split1 --protocol standardized --few-shot 2 --groups sdclr
judge simclr_split2 --few-shot 2
sed -i 's/"step": [0-9]*,/"step": 3,/' "$work/judged/lotar_split2/results.json"
quietly "$PROGRAMS/reproduce" --table-only --out "$work/judged"
expect 0
said 'simclr, split 1: not in the table: judged otherwise: few-shot was "3", is now "2"'
said 'lotar, split 1: not in the table: judged otherwise: groups was "sdclr", is now "thesis"'
said 'simclr, split 2: not in the table: judged otherwise: protocol was "thesis", is now "standardized"'
said 'lotar, split 2: not in the table: judged at update 3 of'
grep -q ': 0 of 4 runs done' "$work/stdout" || fail "results of other options count: $(cat "$work/stdout")"
judge simclr_split2 --protocol standardized --few-shot 2 --groups thesis --draws 1 --untrained  # in effect as the recipe says
of_another_version() { sed -i 's/"lotar": "[^"]*"$/"lotar": "0.0.9"/' "$work/judged/$1/config.json"; }
of_another_version lotar_split1
model=$(stat -c '%Y %i' "$work/judged/lotar_split1/model.safetensors")
quietly reproduce --out "$work/judged"
expect 0
said '== simclr, split 1 (1 of 4): goes on; was judged otherwise: few-shot was "3", is now "2"'
said '== simclr, split 2 (3 of 4): done already'
[[ $model == "$(stat -c '%Y %i' "$work/judged/lotar_split1/model.safetensors")" ]] || fail "another version's training went on"
cmp "$work/out/table.csv" "$work/judged/table.csv"
of_another_version lotar_split2
rm "$work/judged/lotar_split2/"{model.safetensors,results.json}
quietly reproduce --out "$work/judged" --redo
expect 2
said 'cannot go on with a training that lotar "0.0.9" began'
[[ -s $work/judged/lotar_split2/checkpoint.safetensors ]] || fail "another version's training is gone"

# another recipe is refused, and so is a run of other options
refuse() {  # WORDS OPTIONS...: exit code 2 and one line on stderr that has the words
  local words=$1
  shift
  quietly "$@"
  if ((status != 2)) || (($(wc -l <"$work/stderr") != 1)); then fail "not refused by one line (exit code $status): $*"; fi
  said "$words"
}
refuse 'holds runs of another recipe: methods.lotar.lr was 0.1, is now 0.2' reproduce --set lr=0.2
sed 's/"few-shot": 2/"few-shot": 3/' "$work/tiny.json" >"$work/other.json"
refuse 'holds runs of another recipe: evaluation.few-shot was 2, is now 3' reproduce --recipe "$work/other.json"
refuse 'recipe "none": wanted a file, or one of: balanced, paper, quick, thesis' reproduce --recipe none
refuse 'none.json' reproduce --recipe "$work/none.json"
refuse 'method "byol": recipe tiny has simclr, lotar, never' reproduce --methods byol
refuse '--methods: one comes twice' reproduce --methods lotar,lotar
refuse '--splits' reproduce --splits=-1
refuse '--splits' reproduce --splits=one
refuse '--splits: wanted a whole number of at least 0, got ""' reproduce --splits ''
refuse '--seeds: wanted a whole number of at least 0, got " 2"' reproduce --seeds '1, 2'
refuse 'data set "svhn": wanted' reproduce --dataset svhn --out "$work/new"
refuse 'data_batch_1.bin' reproduce --dataset cifar10 --data "$work" --out "$work/new"
for recipe in examples/recipes/*.json; do  # all are sound: nothing but the data is missing
  refuse 'data_batch_1.bin' reproduce --recipe "$(basename "$recipe" .json)" --data "$work" --out "$work/new"
done
refuse 'wanted cpu or cuda' reproduce --backend tpu
mkdir "$work/alone" && cp "$PROGRAMS/reproduce" "$work/alone"
refuse 'pretrain: wanted this program beside reproduce' "$work/alone/reproduce" --recipe "$work/tiny.json" --methods simclr --out "$work/new"
refuse 'option "seed": reproduce gives it itself' reproduce --set seed=4
refuse 'wanted name=value' reproduce --set lr
refuse '--colour' reproduce --set colour=red
refuse 'method simclr: --augmentation: wanted' reproduce --set augmentation=none
refuse '--threads' reproduce --threads=-1
while read -r option words; do  # what only a training would refuse, once it is its turn
  refuse "method simclr: $words" reproduce --set "$option" --out "$work/new"
done <<'ROWS'
arch=vgg resnet
width=0 resnet: width must be >= 1
projector=mpl projector: the kind must be
projection=0 projector: widths must be >= 1
optimizer=sdg optimizer "sdg": wanted
weight-decay=-1 Sgd: weight_decay must be
lr=0 learning_rates: learning_rate must be
epochs=0 learning_rates: epochs
temperature=0 temperature: the lowest must be
temperature-high=0.1 temperature: the highest must be
temperature-period=0 temperature: the period must be
batch-size=1 batch size: must be >= 2
batch-size=100000 batch size: 100000 exceeds the
focal=-1 objective: focal must be
precision=tf32 --precision: tf32 is for CUDA
profile=linear profile "linear": wanted
ratio=0.5 long tail: wanted a finite imbalance ratio
ROWS
refuse 'method simclr: --epochs: wanted a whole number of at least 0, got "010"' reproduce --set epochs=010 --out "$work/new"
sed 's/"readme"/"redme"/' "$work/tiny.json" >"$work/other.json"
refuse 'method lotar: lotar_preset: there is no "redme"' reproduce --recipe "$work/other.json" --out "$work/new"
sed 's/"readme"/"readme", "rand-augment": 9/' "$work/tiny.json" >"$work/other.json"
refuse 'method lotar: RandAugment: operations must be 1 to 8' reproduce --recipe "$work/other.json" --out "$work/new"
sed 's/"few-shot"/"groups": "other", "few-shot"/' "$work/tiny.json" >"$work/other.json"
refuse 'groups "other": wanted' reproduce --recipe "$work/other.json" --out "$work/new"
mkdir "$work/typo" && cp "$work/out/reproduce.json" "$work/typo"  # of which nothing was begun
refuse 'data_batch_1.bin' reproduce --set width=4 --dataset cifar10 --data "$work" --out "$work/typo"
refuse '--recipe: of no use with --table-only' reproduce --table-only
refuse 'there is no reproduction' "$PROGRAMS/reproduce" --table-only --out "$work/new"
refuse 'the folder is not empty and holds no reproduction' reproduce --out "$work/alone"
refuse '/proc/none' reproduce --out /proc/none
sed 's/"few-shot": 2/"few-shot": 501/' "$work/tiny.json" >"$work/other.json"
refuse 'class 0 has 500 images, wanted at least 501' reproduce --recipe "$work/other.json" --out "$work/new"
echo '{' >"$work/alone/reproduce.json"
refuse 'reproduce.json' reproduce --out "$work/alone"
[[ ! -e $work/new ]] || fail "a refusal made a folder"
quietly flock "$work/out/.lock" "$PROGRAMS/reproduce" --recipe "$work/tiny.json" --methods simclr,lotar --splits 1,2 --out "$work/out"
expect 2
said 'another process is at work there'
[[ $before == "$(models)" ]] || fail "a refusal touched a run"

# what is damaged is said in one line, and done again only with --redo; the others go on
cp -r "$work/cut" "$work/damaged"
half() { truncate -s $(($(stat -c %s "$1") / 2)) "$1"; }
half "$work/damaged/simclr_split1/config.json"
half "$work/damaged/lotar_split1/results.json"
rm "$work/damaged/simclr_split2/"{model.safetensors,results.json}  # a whole model needs no checkpoint
half "$work/damaged/simclr_split2/checkpoint.safetensors"
rm -r "$work/damaged/lotar_split2"
model=$(stat -c '%Y %i' "$work/damaged/lotar_split1/model.safetensors")
quietly reproduce --out "$work/damaged"
expect 2
(($(grep -c '^reproduce: ' "$work/stderr") == 3)) || fail "not three lines"
grep -q '^reproduce: simclr, split 1: .*config.json: .*(--redo does it again)$' "$work/stderr" || fail "config.json"
grep -q '^reproduce: lotar, split 1: .*results.json: .*(--redo does it again)$' "$work/stderr" || fail "results.json"
grep -q '^reproduce: simclr, split 2: .*checkpoint.safetensors: .*(--redo does it again)$' "$work/stderr" || fail "checkpoint"
said '== lotar, split 2 (4 of 4)'
grep -Eq '^simclr +0( +-){5}$' "$work/stdout" || fail "damaged runs count"
grep -Eq '^lotar +1( +[0-9.]+ ± +-){5}$' "$work/stdout" || fail "the good run does not count: $(cat "$work/stdout")"
grep -q 'results damaged' "$work/damaged/report.html"
quietly reproduce --out "$work/damaged" --redo
expect 0
said '== lotar, split 2 (4 of 4): done already'
[[ $model == "$(stat -c '%Y %i' "$work/damaged/lotar_split1/model.safetensors")" ]] || fail "trained again for its results"
cmp "$work/out/table.csv" "$work/damaged/table.csv"
for run in simclr_split1 simclr_split2 lotar_split2; do
  cmp "$work/out/$run/model.safetensors" "$work/damaged/$run/model.safetensors"
done
half "$work/damaged/simclr_split1/model.safetensors"  # is in the checkpoint, too
rm "$work/damaged/simclr_split1/results.json"
quietly reproduce --out "$work/damaged"
expect 0
cmp "$work/out/simclr_split1/model.safetensors" "$work/damaged/simclr_split1/model.safetensors"
sed -i 's/"lr": 0.1/"lr": 0.3/' "$work/damaged/lotar_split1/config.json"
quietly reproduce --out "$work/damaged" --redo
expect 2
said 'lotar_split1: cannot go on with other options: lr was 0.3, is now 0.1'
[[ -s $work/damaged/lotar_split1/results.json ]] || fail "a sound run was removed"

# more methods, seeds and splits; a training that goes non-finite stops nothing but itself
quietly "$PROGRAMS/reproduce" --recipe "$work/tiny.json" --methods never,simclr --splits 1 --seeds 1,2 --data '' --out "$work/out"
expect 2
said 'reproduce: never, split 1: pretrain met numbers that are not finite'
said 'reproduce: never, split 1, seed 2: pretrain met numbers that are not finite'
said '== simclr, split 1, seed 2 (4 of 4)'
[[ -s $work/out/simclr_split1_seed2/results.json ]] || fail "no second seed"
grep -q '"data": "",' "$work/out/simclr_split1_seed2/config.json" || fail "an empty value became another"
grep -q '^lotar  *2 ' "$work/stdout" || fail "a method that was there is gone from the table"
grep -Eq '^never +0( +-){5}$' "$work/stdout" || fail "a failed method has numbers"
