#!/usr/bin/env bash
# Bad input: exit code 2, one clear line on stderr, and nothing overwritten. A row each.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
pretrain=$PROGRAMS/pretrain linear_eval=$PROGRAMS/linear_eval make_splits=$PROGRAMS/make_splits
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rows=0 failed=0

# refuse WORDS COMMAND...: the command must end with exit code 2 (or $code) and one line on stderr, but for those of progress, that
# has the words.
code=2
refuse() {
  local words=$1 status lines
  shift
  "$@" >"$work/stdout" 2>"$work/stderr"
  status=$?
  lines=$(grep -Evc '^(epoch |[a-z]+: (features of|probe epoch) )' "$work/stderr")
  ((++rows))
  if ((status != code)) || ((lines != 1)) || ! grep -qF -- "$words" "$work/stderr"; then
    ((++failed))
    printf 'NOT REFUSED AS WANTED (exit code %d): %s\n  wanted: %s\n  got: %s\n' "$status" "$*" "$words" "$(cat "$work/stderr")"
  fi
}

# train OPTIONS...: a training that would take a second, into a folder that must not come to be.
train() {
  "$pretrain" --dataset synthetic --ratio 4 --arch resnet10 --width 4 --projector mlp --epochs 1 --batch-size 16 \
    --max-steps 1 --warmup-epochs 0 --optimizer sgd --lr 0.1 --out "$work/run" "$@"
}

# options
refuse '--unknown-option' train --unknown-option
refuse '--batch' train --batch 4
refuse 'batch size: must be >= 2, got 1' train --batch-size 1
refuse 'batch size: must be >= 2, got 0' train --batch-size 0
refuse 'batch-size' train --batch-size -3
refuse 'batch-size' train --batch-size many
for seed in 99999999999999999999 18446744073709551616 ' -1' ' 1' '' 010 0x10 +1 1.0; do
  refuse "--seed: wanted a whole number of at least 0, got \"$seed\"" train --seed "$seed"
done
refuse 'exceeds the' train --batch-size 100000
refuse 'temperature: the lowest must be finite and > 0, got 0' train --temperature 0
refuse 'temperature: the lowest must be finite and > 0, got -1' train --temperature=-1
refuse 'temperature: the lowest must be finite and > 0, got nan' train --temperature nan
refuse 'learning_rate must be finite and > 0' train --lr 0
refuse 'learning_rate must be finite and > 0' train --lr nan
refuse 'weight_decay' train --weight-decay=-1
refuse 'epochs' train --epochs 0
refuse 'width must be >= 1' train --width 0
refuse 'wanted simclr, lotar, bcl, sdclr or supervised, got "byol"' train --method byol
refuse 'wanted at least 0, got -2' train --rand-augment=-2
refuse 'prune: must be in [0, 1)' train --prune 1
refuse 'prune: must be in [0, 1)' train --prune=-0.5
refuse 'focal' train --focal=-1
refuse 'focal and dclw exclude each other' train --focal 2 --dclw 0.5
refuse 'the highest must be finite and at least the lowest' train --temperature-high 0.1
refuse 'wanted none of the contrastive' train --method supervised --lotar readme
refuse 'wanted none of the contrastive' train --method supervised --focal 2
refuse 'contradicts --lotar none' train --method lotar --lotar none
refuse 'contradicts --lotar readme' train --method simclr --lotar readme
refuse 'contradicts' train --method bcl --rand-augment 0
refuse 'operations must be 1 to 8, got 9' train --rand-augment 9
refuse 'known: readme, thesis_code, figure, normalized' train --lotar other
refuse 'wanted cifar10, cifar100, fashion_mnist, synthetic or folder' train --dataset svhn
refuse 'resnet10, resnet18, resnet34 or resnet50' train --arch vgg
refuse 'thesis, mlp, mlp_bn or linear' train --projector other
refuse 'wanted lars, sgd or adam' train --optimizer adagrad
refuse 'wanted thesis, bcl or crop_flip' train --augmentation none
refuse 'wanted cifar or imagenet' train --stem other
refuse 'wanted float32, tf32 or bf16, got "fp8"' train --precision fp8
refuse 'tf32 is for CUDA; wanted float32 or bf16' train --precision tf32
refuse 'wanted synchronized or own' train --norms none
refuse 'wanted 0 to 1' train --crop-scale 2
refuse '--crop-scale: wanted 0 to 1, got -1e-09' train --crop-scale=-1e-9
refuse 'threads must be in [0, 1024], got -1' train --threads=-1
refuse 'threads must be in [0, 1024], got 20000' train --threads=20000
refuse 'imbalance ratio of at least 1, got 0.5' train --ratio 0.5
refuse 'imbalance ratio of at least 1, got nan' train --ratio nan
refuse 'would be empty' train --ratio 1000000
refuse 'wanted exp, step, pareto or all' train --profile linear
refuse 'config.json' train --config "$work/config.json"
echo '{"epochs": 1, "colour": "red"}' >"$work/config.json"
refuse 'no option "colour"' train --config "$work/config.json"
config() { echo "$1" >"$work/config.json" && train --config "$work/config.json"; }
refuse 'epochs: wanted text or a number, got {"x":1}' config '{"epochs": {"x": 1}}'
refuse 'epochs: wanted text or a number, got [1,2]' config '{"epochs": [1, 2]}'
refuse 'epochs: wanted text or a number, got null' config '{"epochs": null}'
refuse 'wanted a JSON object of options' config null
refuse '1 MiB at most' train --config /dev/zero

# data
refuse 'data_batch_1.bin' train --dataset cifar10 --data "$work/nowhere"
refuse 'train.bin' train --dataset cifar100 --data "$work"
refuse 'train.bin' "$make_splits" --config splits/cifar100.json --data "$work"
refuse 'train-images-idx3-ubyte' train --dataset fashion_mnist --data "$work"
mkdir "$work/cifar10"
for i in 1 2 3 4 5; do head -c 30730000 /dev/zero >"$work/cifar10/data_batch_$i.bin"; done
refuse 'has no images' train --dataset cifar10 --data "$work/cifar10"
printf '\012' | dd of="$work/cifar10/data_batch_2.bin" bs=1 seek=3073 conv=notrunc status=none
refuse 'data_batch_2.bin: at byte 3073: ' train --dataset cifar10 --data "$work/cifar10"
head -c 30729999 /dev/zero >"$work/cifar10/data_batch_2.bin"
refuse 'data_batch_2.bin: ' train --dataset cifar10 --data "$work/cifar10"
head -c 30730001 /dev/zero >"$work/cifar10/data_batch_2.bin"
refuse 'data_batch_2.bin: ' train --dataset cifar10 --data "$work/cifar10"

mkdir "$work/idx"
fashion() { train --dataset fashion_mnist --data "$work/idx"; }
images=$work/idx/train-images-idx3-ubyte labels=$work/idx/train-labels-idx1-ubyte
{ printf '\0\0\010\003\0\0\0\003\0\0\0\034\0\0\0\034' && head -c 2352 /dev/zero; } >"$images"
printf '\0\0\010\001\0\0\0\003\001\002\012' >"$labels"
refuse 'train-labels-idx1-ubyte: at byte 10: label of image 2: wanted below 10, got 10' fashion
truncate -s 10 "$labels"
refuse 'train-labels-idx1-ubyte: at byte 8: wanted the values of [3], got 2 bytes' fashion
truncate -s 2000 "$images"
refuse 'train-images-idx3-ubyte: at byte 16: wanted the values of [3, 28, 28], got 1984 bytes' fashion
truncate -s 15 "$images"
refuse 'train-images-idx3-ubyte: at byte 15: wanted an IDX header of 16 bytes' fashion
cp tests/programs/refusals.sh "$images"
refuse 'train-images-idx3-ubyte: at byte 0: wanted the IDX magic number 2051' fashion
gzip -c tests/programs/refusals.sh | head -c 500 >"$images.gz" && rm "$images"
refuse 'train-images-idx3-ubyte.gz: at byte 500: gzip data cut short' fashion

# images of one's own
folder() { train --dataset folder --profile all --image-size 8 --data "$work/$1" "${@:2}"; }
refuse 'wanted a folder of images' folder nowhere
refuse 'wanted train/CLASS/*.jpg' folder cifar10
python3 -B tests/programs/write_images.py "$work/images" 3 3 3
refuse 'image size: wanted 1 to 4096, got 0' folder images --image-size 0
refuse 'image size: wanted 1 to 4096, got 5000' folder images --image-size 5000
refuse 'image-size' folder images --image-size -8
mkdir "$work/images/train/class9"
refuse 'class9: a class without images' folder images
echo hello >"$work/images/train/class9/notes.txt"
refuse 'class9/notes.txt: wanted a .jpg, .jpeg or .png file' folder images
mv "$work/images/train/class9/notes.txt" "$work/images/train/class9/notes.jpg"
refuse 'class9/notes.jpg: wanted a JPEG or PNG image' folder images
rm "$work/images/train/class9/notes.jpg" && ln -s /etc/hostname "$work/images/train/class9/link.png"
refuse '"train/class9/link.png" leads out of the folder' folder images
rm -r "$work/images/train/class9"
head -c 60 "$work/images/train/class1/001.png" >"$work/cut" && mv "$work/cut" "$work/images/train/class1/001.png"
refuse 'class1/001.png: not a sound PNG image' folder images
list() { printf "$@" >"$work/images/train.txt"; }
image=train/class0/000.png
list "$image 0\n../images/$image 1\n"
refuse 'train.txt: line 2: "../images/train/class0/000.png" is not a path below' folder images
list "$image 0\n/$image 1\n"
refuse 'train.txt: line 2: "/train/class0/000.png" is not a path below' folder images
list "$image 0\n$image 7\n"
refuse 'train.txt: line 2: wanted a label of 0 to 1, got 7' folder images
list "$image 0\n$image 2\n$image 2\n"
refuse 'train.txt: class 1 of 3 has no images' folder images
list "$image 0\n$image\n"
refuse 'train.txt: line 2: wanted a path, a space and a label' folder images
list "none.png 0\n"
refuse 'train.txt: line 1: "none.png" is missing' folder images
refuse 'train.txt: line 1: "none.png" is missing' "$make_splits" --dataset folder --data "$work/images"

python3 -B tests/programs/write_images.py "$work/two" 3 3
refuse 'wanted at least 3 classes, got 2' "$make_splits" --dataset folder --data "$work/two" --ratio 1 --out "$work/two.txt"
[[ ! -e $work/two.txt ]] || { echo "a refused split was written"; ((++failed)); }

# splits
split=splits/cifar10_exp100_shuffled_philox_seed1.txt
refuse 'made for 50000 labels' train --split "$split"
refuse 'No such file' train --split "$work/none.txt"
echo hello >"$work/foreign.txt"
refuse 'not a split file' train --split "$work/foreign.txt"
head -c 500 "$split" >"$work/cut.txt"
refuse 'cut.txt' train --split "$work/cut.txt"
"$make_splits" --dataset synthetic --ratio 4 --out "$work/split.txt" >"$work/stdout" || echo "make_splits failed"
cp "$work/split.txt" "$work/copy.txt"
refuse 'exists and is another split' "$make_splits" --dataset synthetic --ratio 5 --out "$work/split.txt"
cmp -s "$work/split.txt" "$work/copy.txt" || { echo "the split was overwritten"; ((++failed)); }
refuse 'imbalance ratio of at least 1' "$make_splits" --dataset synthetic --ratio 0 --out "$work/other.txt"
refuse '/proc/none/x.txt: ' "$make_splits" --dataset synthetic --ratio 4 --out /proc/none/x.txt
refuse '--seed: wanted a whole number' "$make_splits" --dataset synthetic --seed ' -1' --out "$work/other.txt"
refuse '--colour' "$make_splits" --colour red

# folders
[[ ! -e $work/run ]] || { echo "a refused training left a folder"; ((++failed)); }
refuse 'cannot make the folder' train --out "$work/foreign.txt"
refuse '/proc/none' train --out /proc/none
refuse 'there is no run to resume' train --resume
train >"$work/stdout" 2>&1 || { echo "the training failed: $(cat "$work/stdout")"; ((++failed)); }
before=$(cd "$work/run" && sha256sum ./*)
refuse 'there is a run already' train
refuse 'cannot resume with another configuration: lr was 0.1, is now 0.2' train --resume --lr 0.2
refuse 'cannot resume with another configuration: lotar was "readme", is now "none"' train --resume --method simclr
"$make_splits" --dataset synthetic --ratio 5 --out "$work/five.txt" >"$work/stdout" || echo "make_splits failed"
refuse 'trained on other images than those chosen now' train --resume --split "$work/five.txt"
mkdir "$work/full" && touch "$work/full/file"
refuse 'not empty' train --out "$work/full"
refuse 'wanted thesis' "$linear_eval" --run "$work/run" --protocol other
refuse '"other": wanted thesis' "$linear_eval" --run "$work/run" --protocol thesis --protocol other
refuse 'wanted thesis, sdclr or shots' "$linear_eval" --run "$work/run" --groups other
refuse 'few-shot "many": wanted a number of images a class' "$linear_eval" --run "$work/run" --few-shot many
refuse 'few-shot "-5": wanted a number of images a class' "$linear_eval" --run "$work/run" --few-shot=-5
refuse 'class 0 has 500 images, wanted at least 501' "$linear_eval" --run "$work/run" --few-shot 501-shot
refuse 'class 0 has 450 images, wanted at least 451' "$linear_eval" --run "$work/run" --few-shot 451 --protocol sdclr
refuse 'wanted --few-shot with it' "$linear_eval" --run "$work/run" --draws 2
refuse 'draws' "$linear_eval" --run "$work/run" --few-shot 5 --draws=-1
refuse 'draws' "$linear_eval" --run "$work/run" --few-shot 5 --draws some
refuse 'augmented-copies' "$linear_eval" --run "$work/run" --protocol sdclr --augmented-copies=-1
refuse 'config.json' "$linear_eval" --run "$work/nothing"
refuse '--colour' "$linear_eval" --colour red
after=$(cd "$work/run" && sha256sum ./*)
[[ $before == "$after" ]] || { echo "a refusal changed the run"; ((++failed)); }
cp -r "$work/run" "$work/broken"
head -c 1000 "$work/run/model.safetensors" >"$work/broken/model.safetensors"
refuse 'model.safetensors' "$linear_eval" --run "$work/broken"
head -c 1000 "$work/run/checkpoint.safetensors" >"$work/broken/checkpoint.safetensors"
refuse 'checkpoint.safetensors' train --resume --max-steps 2 --out "$work/broken"
cp "$work/run/model.safetensors" "$work/broken/checkpoint.safetensors"
refuse 'not a checkpoint' train --resume --max-steps 2 --out "$work/broken"
echo '{' >"$work/broken/config.json"
refuse 'config.json' "$linear_eval" --run "$work/broken"

# results that cannot be written
python3 -B tests/programs/write_images.py "$work/three" 3 3 3
train --dataset folder --profile all --image-size 8 --batch-size 9 --data "$work/three" --out "$work/unwritable" \
  >"$work/stdout" 2>&1 || { echo "the training failed: $(cat "$work/stdout")"; ((++failed)); }
for file in results.txt accuracy.svg results.json; do
  mkdir "$work/unwritable/$file"
  refuse "$file: cannot put in place" "$linear_eval" --run "$work/unwritable" --protocol standardized
  rmdir "$work/unwritable/$file"
done

# a training that goes non-finite: exit code 3, the last checkpoint stays
code=3
refuse 'is not finite' train --lr 1e38 --epochs 50 --max-steps 0 --metrics-every 1 --out "$work/infinite"
[[ -s $work/infinite/checkpoint.safetensors ]] || { echo "no checkpoint was kept"; ((++failed)); }

echo "$rows rows, $failed failed"
((failed == 0))
