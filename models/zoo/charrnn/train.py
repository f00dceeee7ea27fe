#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains the CharRNN on the text that prepare.py made: longer verse first, quatrains last.

usage: train.py TEXT OUT [--verse-epochs N] [--quatrain-epochs N] [--batch N] [--rate R]

Longer verse is cut into pieces of four lines at every second line, at random anew in each epoch.
OUT/last.pt is a checkpoint from which the same command goes on; OUT/best.pt holds the weights with
the least validation loss; OUT/log.csv has a line every hundred steps and every validation.
Matrix products run in bfloat16 (autocast), sums and weights in float32."""

import argparse
import csv
import math
import os
import time

import torch

from network import QUATRAIN, SLOTS, VERSE, CharRNN, load_text, load_vocabulary


def pieces(characters, offsets, generator):
    """Starts of all four-line pieces of an epoch: a random first couplet, then every second one."""
    starts = []
    lengths = offsets[1:] - offsets[:-1]
    shift = torch.randint(0, 2, lengths.shape, generator=generator) * 10
    for begin, length, first in zip(offsets[:-1].tolist(), lengths.tolist(), shift.tolist()):
        first = first if length >= first + SLOTS else 0
        starts.extend(range(begin + first, begin + length - SLOTS + 1, SLOTS))
    return torch.tensor(starts)


def batch_of(characters, starts, first):
    target = characters[starts[:, None] + torch.arange(SLOTS)].long()
    before = torch.cat([torch.full((len(starts), 1), first), target[:, :-1]], dim=1)
    return before, torch.arange(SLOTS).expand_as(before), target


def loss_of(net, before, place, target):
    with torch.autocast("cpu", torch.bfloat16):
        logits, _ = net(before, place)
    return torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), target.flatten())


def perplexity(net, characters, offsets):
    net.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for starts in offsets[:-1].split(256):
            parts = batch_of(characters, starts, QUATRAIN)
            total += loss_of(net, *parts).item() * parts[2].numel()
            count += parts[2].numel()
    net.train()
    return math.exp(total / count)


class Training:
    def __init__(self, args):
        self.args = args
        self.characters, index = load_vocabulary(os.path.join(args.text, "vocabulary.txt"))
        self.text = {
            name: load_text(os.path.join(args.text, name + ".txt"), index)
            for name in ("verse", "quatrains.train", "quatrains.valid")
        }
        torch.manual_seed(1)
        self.net = CharRNN(len(self.characters))
        self.step, self.best, self.seconds = 0, math.inf, 0.0
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(), args.rate, betas=(0.9, 0.98), weight_decay=0.02
        )
        self.last = os.path.join(args.out, "last.pt")
        os.makedirs(args.out, exist_ok=True)
        if os.path.exists(self.last):
            held = torch.load(self.last, weights_only=True)
            self.net.load_state_dict(held["net"])
            self.optimizer.load_state_dict(held["optimizer"])
            self.step, self.best, self.seconds = held["step"], held["best"], held["seconds"]
        self.log = open(os.path.join(args.out, "log.csv"), "a", newline="")
        self.writer = csv.writer(self.log)

    def save(self):
        torch.save(
            {
                "net": self.net.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "step": self.step,
                "best": self.best,
                "seconds": self.seconds,
            },
            self.last + ".new",
        )
        os.replace(self.last + ".new", self.last)

    def validate(self, stage):
        value = perplexity(self.net, *self.text["quatrains.valid"])
        self.record(stage, "validation perplexity", value)
        if value < self.best:
            self.best = value
            torch.save(  # in the older form, which models/zoo/torch_file.py reads
                self.net.state_dict(),
                os.path.join(self.args.out, "best.pt"),
                _use_new_zipfile_serialization=False,
            )

    def record(self, stage, what, value):
        self.writer.writerow([self.step, round(self.seconds), stage, what, f"{value:.4f}"])
        self.log.flush()
        print(f"{self.step} {self.seconds:.0f} s {stage}: {what} {value:.3f}", flush=True)

    def epoch_starts(self, stage, epoch):
        generator = torch.Generator().manual_seed(1000 * (stage == "quatrains") + epoch)
        if stage == "verse":
            starts = pieces(*self.text["verse"], generator)
        else:
            starts = self.text["quatrains.train"][1][:-1]
        return starts[torch.randperm(len(starts), generator=generator)].split(self.args.batch)

    def run_stage(self, stage, epochs, peak, first_step):
        """A stage, with a cosine from `peak` to its twentieth; the number of its last step."""
        step = first_step
        steps = sum(len(self.epoch_starts(stage, e)) for e in range(epochs))
        held, shown, saved = [], time.time(), time.time()
        for epoch in range(epochs):
            for starts in self.epoch_starts(stage, epoch):
                step += 1
                if step <= self.step:
                    continue
                done = (step - first_step) / steps
                warm = min(1.0, (step - first_step) / 200)
                for group in self.optimizer.param_groups:
                    group["lr"] = peak * warm * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * done)))
                begin = time.time()
                characters = self.text["verse" if stage == "verse" else "quatrains.train"][0]
                first = VERSE if stage == "verse" else QUATRAIN
                loss = loss_of(self.net, *batch_of(characters, starts, first))
                self.optimizer.zero_grad(set_to_none=True)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
                self.optimizer.step()
                self.step = step
                self.seconds += time.time() - begin
                held.append(loss.item())
                if step % 100 == 0:
                    self.record(stage, "training loss", sum(held) / len(held))
                    held = []
                if step % 500 == 0 or (stage == "quatrains" and step % 50 == 0):
                    self.validate(stage)
                if time.time() - saved > 300:
                    self.save()
                    saved = time.time()
        self.validate(stage)
        self.save()
        return max(step, first_step)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text")
    parser.add_argument("out")
    parser.add_argument("--verse-epochs", type=int, default=8)
    parser.add_argument("--quatrain-epochs", type=int, default=6)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=2e-3)
    training = Training(parser.parse_args())
    end = training.run_stage("verse", training.args.verse_epochs, training.args.rate, 0)
    training.run_stage("quatrains", training.args.quatrain_epochs, training.args.rate / 4, end)


if __name__ == "__main__":
    main()
