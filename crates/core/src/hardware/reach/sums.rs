//! Which sums of products occur between the smallest and the largest, exactly, and codes for each of them.
//!
//! A sum of w_i * x_i over codes x_i in lo..=hi is a smallest sum plus g times a sum of a_i * u_i, where g is the greatest
//! common divisor of the weights, a_i = |w_i| / g, and u_i lies in 0..=hi - lo. These sums are found as the amounts are
//! that coins can pay: the set of a few weights is made bit by bit, until it holds every number from some A to as far from
//! its end, and at least as many as the largest of the other weights. From there on no gap can open: each further
//! weight only shifts that run by less than its own length. What is below A takes the weights less than A, and what is
//! above lies in the mirror.

use serde::{Deserialize, Serialize};

use crate::parameters::Range;

/// Equidistant integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The first.
    pub first: i64,
    /// The last, not below the first.
    pub last: i64,
    /// From one to the next, 1 or more.
    pub step: u32,
}

impl Run {
    fn step(&self) -> i64 {
        i64::from(self.step.max(1))
    }

    fn len(&self) -> i64 {
        (self.last - self.first) / self.step() + 1
    }
}

/// The accumulators that occur within a range, where not all of them do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sums {
    /// Ascending, each run begins beyond the end of the one before it.
    pub runs: Vec<Run>,
    /// Whether each of them occurs. If not, none but them does, and which of them do is not known.
    pub exact: bool,
}

/// Runs of one channel, at most; with more an interval is all that is said.
const LARGEST_RUNS: usize = 1 << 12;

/// Numbers of the largest set that is made bit by bit.
const LARGEST_SET: i64 = 1 << 22;

/// Codes of one weight that take part in the set of a few weights, at most, so that it stays small.
const FIRST_CODES: i64 = 1 << 10;

impl Sums {
    /// All numbers of a range, of which more is not known.
    pub fn interval(range: Range<i64>) -> Self {
        Self { runs: vec![Run { first: range.min, last: range.max, step: 1 }], exact: false }
    }

    /// The union of what several combinations give, whose extremes are `range`; `None` if that is all of it.
    pub(crate) fn of(combinations: &[Combination], range: Range<i64>) -> Option<Self> {
        let mut all: Option<Vec<Run>> = None;
        for combination in combinations {
            let Some(runs) = combination.runs() else { return Some(Self::interval(range)) };
            all = match all {
                None => Some(runs),
                Some(known) => match union(&known, &runs) {
                    Some(union) => Some(union),
                    None => return Some(Self::interval(range)),
                },
            };
        }
        let runs = all?;
        let whole = [Run { first: range.min, last: range.max, step: 1 }];
        (runs != whole).then_some(Self { runs, exact: true })
    }

    /// Whether the runs are as the field says, from one end of a range to the other.
    pub fn is_sound(&self, range: Range<i64>) -> bool {
        let each = self.runs.iter().all(|run| {
            run.first <= run.last
                && run.step >= 1
                && (run.last - run.first) % run.step() == 0
                && (range.min..=range.max).contains(&run.first)
                && run.last <= range.max
        });
        let ends = self.runs.first().zip(self.runs.last());
        each && ends.is_some_and(|(first, last)| first.first == range.min && last.last == range.max)
            && self.runs.windows(2).all(|pair| pair[0].last < pair[1].first)
    }
}

/// The numbers of two lists of runs; `None` if they take too many runs.
fn union(a: &[Run], b: &[Run]) -> Option<Vec<Run>> {
    if contains(a, b) {
        return Some(a.to_vec());
    }
    if contains(b, a) {
        return Some(b.to_vec());
    }
    let all = || a.iter().chain(b);
    let step = all().map(|run| if run.len() > 1 { run.step } else { 0 }).max()?.max(1);
    let same = |run: &Run| run.len() == 1 || run.step == step;
    let remainder = a.first()?.first.rem_euclid(i64::from(step));
    if all().all(|run| same(run) && run.first.rem_euclid(i64::from(step)) == remainder) {
        let mut runs: Vec<Run> = all().map(|run| Run { step, ..*run }).collect();
        runs.sort_by_key(|run| run.first);
        let mut merged: Vec<Run> = Vec::new();
        for run in runs {
            match merged.last_mut() {
                Some(last) if run.first <= last.last + i64::from(step) => last.last = last.last.max(run.last),
                _ => merged.push(run),
            }
        }
        return Some(merged.into_iter().map(tidy).collect());
    }
    let first = all().map(|run| run.first).min()?;
    let last = all().map(|run| run.last).max()?;
    if last - first >= LARGEST_SET {
        return None;
    }
    let mut bits = Bits::new(last - first + 1);
    for run in all() {
        let mut number = run.first;
        while number <= run.last {
            bits.set(number - first);
            number += run.step();
        }
    }
    runs_of(bits.numbers().map(|number| number + first))
}

/// Whether every number of `b` is one of `a`.
fn contains(a: &[Run], b: &[Run]) -> bool {
    b.iter().all(|inner| {
        a.iter().any(|outer| {
            let inside = outer.first <= inner.first && inner.last <= outer.last;
            let aligned = (inner.first - outer.first) % outer.step() == 0;
            inside && aligned && (inner.len() == 1 || inner.step() % outer.step() == 0)
        })
    })
}

/// A run of one number has a step of 1.
fn tidy(run: Run) -> Run {
    if run.first == run.last { Run { step: 1, ..run } } else { run }
}

/// Ascending numbers as runs; `None` if there are too many.
fn runs_of(numbers: impl Iterator<Item = i64>) -> Option<Vec<Run>> {
    let mut runs: Vec<Run> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some(run) if run.first == run.last => {
                // A second number gives the step, unless it stands alone; the next one shows that.
                run.step = u32::try_from(number - run.first).ok()?;
                run.last = number;
            }
            Some(run) if number == run.last + run.step() => run.last = number,
            Some(run) if run.len() == 2 && number - run.last < run.step() => {
                // Closer to the next than to the one before: that one stands alone.
                let (first, second) = (run.first, run.last);
                *run = Run { first, last: first, step: 1 };
                let step = u32::try_from(number - second).ok()?;
                runs.push(Run { first: second, last: number, step });
            }
            _ => runs.push(Run { first: number, last: number, step: 1 }),
        }
        if runs.len() > LARGEST_RUNS {
            return None;
        }
    }
    Some(runs)
}

/// Accumulators by their number in ascending order: what is counted is counted there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranks {
    runs: Vec<Run>,
    /// Numbers before each run, and at the end all.
    before: Vec<i64>,
    exact: bool,
}

impl Ranks {
    /// Of what occurs within a range; all of it without `sums`.
    pub fn new(range: Range<i64>, sums: Option<&Sums>) -> Self {
        let whole = || vec![Run { first: range.min, last: range.max.max(range.min), step: 1 }];
        let runs = sums.map_or_else(whole, |sums| sums.runs.clone());
        let mut before = Vec::with_capacity(runs.len() + 1);
        before.push(0);
        let mut count = 0;
        for run in &runs {
            count += run.len();
            before.push(count);
        }
        Self { runs, before, exact: sums.is_none_or(|sums| sums.exact) }
    }

    /// Whether each of them occurs.
    pub fn exact(&self) -> bool {
        self.exact
    }

    /// How many there are.
    pub fn count(&self) -> i64 {
        self.before.last().copied().unwrap_or(0)
    }

    /// How many are smaller than a number.
    pub fn below(&self, number: i64) -> i64 {
        // Nearly every channel has one run, or one between a few short ones.
        let index = match self.runs.as_slice() {
            [only] => usize::from(only.first < number),
            runs => runs.partition_point(|run| run.first < number),
        };
        let Some(index) = index.checked_sub(1) else { return 0 };
        let run = &self.runs[index];
        let ahead = number.min(run.last + 1) - run.first;
        let within = if run.step == 1 { ahead } else { (ahead + run.step() - 1) / run.step() };
        self.before[index] + within
    }

    /// The one before which there are `rank`; `None` if there are no more.
    pub fn at(&self, rank: i64) -> Option<i64> {
        if rank < 0 || rank >= self.count() {
            return None;
        }
        let index = self.before.partition_point(|&before| before <= rank) - 1;
        let run = self.runs.get(index)?;
        Some(run.first + (rank - self.before[index]) * run.step())
    }
}

/// A sum of codes times weights, and a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Combination {
    /// `w - Z2` of each tap that meets the input.
    pub weights: Vec<i64>,
    /// The smallest and the largest input code.
    pub range: Range<i32>,
    /// What is added to the sum of the products: `-Z1 * sum(w - Z2)`.
    pub fixed: i64,
}

/// One weight, or as many equal ones, as a coin: its value, and how many of it there are.
#[derive(Debug, Clone, Copy)]
struct Coin {
    value: i64,
    count: i64,
}

/// The coins of a combination.
struct Purse {
    /// The smallest sum.
    smallest: i64,
    /// What values are multiples of.
    unit: i64,
    /// In units.
    total: i64,
    /// The first few, then the others.
    coins: Vec<Coin>,
    /// How many of them are in the set that was made bit by bit.
    made: usize,
    /// Their set.
    bits: Bits,
    /// What they all make.
    sum: i64,
    /// Every number from here to as far from `sum` is in the set; `None` if that set is the last and has no such middle.
    middle: Option<i64>,
}

impl Combination {
    fn room(&self) -> i64 {
        i64::from(self.range.max) - i64::from(self.range.min)
    }

    fn smallest(&self) -> i64 {
        let (low, high) = (i64::from(self.range.min), i64::from(self.range.max));
        self.fixed + self.weights.iter().map(|&w| if w > 0 { w * low } else { w * high }).sum::<i64>()
    }

    /// The coins, as many made as it takes; `None` if that is too many.
    fn purse(&self) -> Option<Purse> {
        let room = self.room();
        let mut counts = std::collections::BTreeMap::<i64, i64>::new();
        for weight in self.weights.iter().filter(|&&weight| weight != 0 && room > 0) {
            *counts.entry(weight.abs()).or_default() += room;
        }
        let unit = counts.keys().copied().fold(0, gcd).max(1);
        let total = counts.iter().map(|(value, count)| value / unit * count).sum();
        // First those that bring the common divisor down to that of all, then the others, the smallest first.
        let (mut coins, mut others, mut divisor) = (Vec::new(), Vec::new(), 0);
        for (value, count) in counts {
            let value = value / unit;
            let next = gcd(divisor, value);
            if next != divisor {
                divisor = next;
                coins.push(Coin { value, count: count.min(FIRST_CODES) });
                if count > FIRST_CODES {
                    others.push(Coin { value, count: count - FIRST_CODES });
                }
            } else {
                others.push(Coin { value, count });
            }
        }
        let first = coins.len();
        coins.extend(others);
        let (mut bits, mut sum) = (Bits::one(), 0_i64);
        for (made, coin) in coins.iter().enumerate() {
            if made >= first {
                // Rarely needed: few codes, or nothing but large weights.
                let largest = coins[made..].iter().map(|coin| coin.value).max().unwrap_or(0);
                if let Some(middle) = bits.middle(sum).filter(|from| sum - 2 * from + 1 >= largest) {
                    return Some(Purse {
                        smallest: self.smallest(),
                        unit,
                        total,
                        made,
                        bits,
                        sum,
                        middle: Some(middle),
                        coins,
                    });
                }
            }
            sum = sum.checked_add(coin.value.checked_mul(coin.count)?)?;
            if sum >= LARGEST_SET {
                return None;
            }
            bits.grow(sum + 1);
            bits.add(*coin);
        }
        let (made, middle) = (coins.len(), bits.middle(sum));
        Some(Purse { smallest: self.smallest(), unit, total, coins, made, bits, sum, middle })
    }

    /// Every sum that occurs; `None` if they take too many runs or too large a set.
    pub(crate) fn runs(&self) -> Option<Vec<Run>> {
        let purse = self.purse()?;
        let Purse { smallest, unit, total, .. } = purse;
        let step = u32::try_from(unit).ok()?;
        let place = |number: i64| smallest + unit * number;
        let Some(from) = purse.middle else {
            return runs_of(purse.bits.numbers().map(place));
        };
        let low = purse.low(from);
        let mut numbers: Vec<Run> = Vec::new();
        for number in low.numbers().take_while(|&number| number < from) {
            let place = place(number);
            match numbers.last_mut() {
                Some(run) if run.last + unit == place => {
                    run.last = place;
                    run.step = step;
                }
                _ => numbers.push(Run { first: place, last: place, step: 1 }),
            }
            if 2 * numbers.len() > LARGEST_RUNS {
                return None;
            }
        }
        let mirrored = |run: &Run| Run {
            first: 2 * smallest + unit * total - run.last,
            last: 2 * smallest + unit * total - run.first,
            step: run.step,
        };
        let high: Vec<Run> = numbers.iter().rev().map(mirrored).collect();
        let middle = Run { first: place(from), last: place(total - from), step };
        let mut runs: Vec<Run> = Vec::new();
        for run in numbers.into_iter().chain([middle]).chain(high) {
            match runs.last_mut() {
                Some(last) if last.last + unit >= run.first => {
                    last.last = run.last.max(last.last);
                    last.step = step;
                }
                _ => runs.push(run),
            }
        }
        Some(runs.into_iter().map(tidy).collect())
    }

    /// Codes, one per weight, that give a sum; `None` if none do, or it would take too large a set to know.
    pub fn solve(&self, sum: i64) -> Option<Vec<i32>> {
        let purse = self.purse()?;
        let above = sum.checked_sub(purse.smallest)?;
        if above < 0 || above % purse.unit != 0 || above / purse.unit > purse.total {
            return None;
        }
        let number = above / purse.unit;
        let mut taken = std::collections::BTreeMap::<i64, i64>::new();
        for (coin, count) in purse.coins.iter().zip(purse.pay(number)?) {
            *taken.entry(coin.value * purse.unit).or_default() += count;
        }
        let room = self.room();
        let codes = self.weights.iter().map(|&weight| {
            let left = taken.entry(weight.abs()).or_default();
            let steps = if weight == 0 { 0 } else { room.min(*left) };
            *left -= steps;
            let code = if weight < 0 {
                i64::from(self.range.max) - steps
            } else {
                i64::from(self.range.min) + steps
            };
            i32::try_from(code).ok()
        });
        codes.collect()
    }
}

impl Purse {
    /// The numbers below `limit` that all coins make.
    fn low(&self, limit: i64) -> Bits {
        let mut bits = Bits::one();
        bits.grow(limit.max(1));
        for coin in self.coins.iter().filter(|coin| coin.value < limit) {
            bits.add(Coin { count: coin.count.min(limit / coin.value), ..*coin });
        }
        bits
    }

    /// How many of each coin make a number.
    fn pay(&self, number: i64) -> Option<Vec<i64>> {
        let mirrored = |paid: Vec<i64>| self.coins.iter().zip(paid).map(|(coin, n)| coin.count - n).collect();
        let Some(from) = self.middle else { return self.exactly(&self.coins, number, self.total) };
        if number < from {
            return self.exactly(&self.coins, number, from);
        }
        if number > self.total - from {
            return self.exactly(&self.coins, self.total - number, from).map(mirrored);
        }
        // From the last coin on, as few as leave what those before it make between them.
        let mut left = number;
        let mut sum = self.total;
        let mut counts = vec![0; self.coins.len()];
        for (index, coin) in self.coins.iter().enumerate().skip(self.made).rev() {
            sum -= coin.value * coin.count;
            let above = left - (sum - from);
            let count = if above > 0 { (above + coin.value - 1) / coin.value } else { 0 };
            counts[index] = count;
            left -= count * coin.value;
        }
        let first = self.exactly(&self.coins[..self.made], left, self.sum)?;
        counts[..self.made].copy_from_slice(&first);
        Some(counts)
    }

    /// How many of each of these coins make a number of at most `limit`.
    fn exactly(&self, coins: &[Coin], number: i64, limit: i64) -> Option<Vec<i64>> {
        let mut sets = Vec::with_capacity(coins.len() + 1);
        let mut bits = Bits::one();
        bits.grow(limit.max(number) + 1);
        for coin in coins {
            sets.push(bits.clone());
            bits.add(Coin { count: coin.count.min((limit.max(number)) / coin.value), ..*coin });
        }
        if !bits.has(number) {
            return None;
        }
        let mut left = number;
        let mut counts = vec![0; coins.len()];
        for (index, coin) in coins.iter().enumerate().rev() {
            let count = (0..=coin.count).find(|count| {
                let rest = left - count * coin.value;
                rest >= 0 && sets[index].has(rest)
            })?;
            counts[index] = count;
            left -= count * coin.value;
        }
        Some(counts)
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// A set of small numbers.
#[derive(Debug, Clone)]
struct Bits {
    words: Vec<u64>,
    len: i64,
}

impl Bits {
    fn new(len: i64) -> Self {
        Self { words: vec![0; usize::try_from(len / 64 + 1).unwrap_or(1)], len }
    }

    /// The set of 0.
    fn one() -> Self {
        let mut bits = Self::new(1);
        bits.set(0);
        bits
    }

    fn place(number: i64) -> (usize, u32) {
        (usize::try_from(number / 64).unwrap_or(usize::MAX), u32::try_from(number % 64).unwrap_or(0))
    }

    fn set(&mut self, number: i64) {
        let (word, bit) = Self::place(number);
        if let Some(word) = self.words.get_mut(word) {
            *word |= 1 << bit;
        }
    }

    fn has(&self, number: i64) -> bool {
        let (word, bit) = Self::place(number);
        (0..self.len).contains(&number) && self.words.get(word).is_some_and(|word| word >> bit & 1 == 1)
    }

    /// Makes room for numbers below `len`.
    fn grow(&mut self, len: i64) {
        self.len = self.len.max(len);
        self.words.resize(usize::try_from(self.len / 64 + 1).unwrap_or(1), 0);
    }

    /// The numbers of the set plus 0 to `count` times a value, below the length.
    fn add(&mut self, coin: Coin) {
        let (mut left, mut times) = (coin.count, 1);
        while left > 0 {
            let take = left.min(times);
            self.or_shifted(coin.value * take);
            left -= take;
            times *= 2;
        }
        // Beyond the length lie numbers that are not asked for.
        let (word, bit) = Self::place(self.len);
        if let Some(last) = self.words.get_mut(word) {
            *last &= (1 << bit) - 1;
        }
    }

    fn or_shifted(&mut self, by: i64) {
        let (words, bits) = Self::place(by);
        for index in (words.min(self.words.len())..self.words.len()).rev() {
            let low = self.words[index - words] << bits;
            let high = match index.checked_sub(words + 1) {
                Some(before) if bits > 0 => self.words[before] >> (64 - bits),
                _ => 0,
            };
            self.words[index] |= low | high;
        }
    }

    /// The smallest number from which on all are in the set, up to as far from `sum`; `None` if the middle is not.
    fn middle(&self, sum: i64) -> Option<i64> {
        let mut from = sum / 2;
        if !self.has(from) || !self.has(sum - from) {
            return None;
        }
        while from > 0 && self.has(from - 1) {
            from -= 1;
        }
        Some(from)
    }

    fn numbers(&self) -> impl Iterator<Item = i64> + '_ {
        let words = self.words.iter().zip((0_i64..).step_by(64));
        words.flat_map(|(&word, first)| {
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| first + bit)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn of(weights: &[i64], range: (i32, i32), fixed: i64) -> Combination {
        Combination { weights: weights.to_vec(), range: Range { min: range.0, max: range.1 }, fixed }
    }

    /// Every sum, one weight after the other.
    fn every_sum(combination: &Combination) -> BTreeSet<i64> {
        let mut sums = BTreeSet::from([combination.fixed]);
        for weight in &combination.weights {
            let codes = combination.range.min..=combination.range.max;
            sums =
                codes.flat_map(|code| sums.iter().map(move |sum| sum + i64::from(code) * weight)).collect();
        }
        sums
    }

    fn numbers(runs: &[Run]) -> BTreeSet<i64> {
        let each = |run: &Run| (run.first..=run.last).step_by(usize::try_from(run.step).unwrap());
        runs.iter().flat_map(each).collect()
    }

    fn cases() -> Vec<Combination> {
        let mut cases = vec![
            of(&[2, 4, -6], (0, 255), 7),
            of(&[1], (0, 255), 0),
            of(&[], (0, 255), 5),
            of(&[0, 0], (-3, 9), -1),
            of(&[7, -7, 7], (3, 3), 2),
            of(&[13, 17], (0, 255), 0),
            of(&[6, 10, 15], (-128, 127), 100),
            of(&[127, -126, 125], (0, 15), 0),
            of(&[100, 101], (0, 1), 0),
            of(&[30, 42, 70, 105], (0, 3), -9),
            of(&[2, 2, 2, 2, 3], (0, 255), 0),
            of(&[64, 64, 64, 1], (0, 2), 0),
        ];
        let mut state = 12345_u64;
        let mut random = |range: i64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            i64::try_from(state >> 33).unwrap() % range
        };
        for round in 0..200 {
            let size = 1 + random(5);
            let spread = [8, 40, 128][round % 3];
            let weights: Vec<i64> = (0..size).map(|_| random(2 * spread) - spread).collect();
            let low = i32::try_from(random(20) - 10).unwrap();
            let high = low + i32::try_from(random([4, 30, 90][round % 3])).unwrap();
            cases.push(of(&weights, (low, high), random(100) - 50));
        }
        cases
    }

    #[test]
    fn sums_are_those_of_every_input_and_each_has_codes() {
        let (mut gaps, mut failures) = (0, Vec::new());
        for case in cases() {
            let expected = every_sum(&case);
            let runs = case.runs().unwrap();
            let (min, max) = (*expected.first().unwrap(), *expected.last().unwrap());
            if numbers(&runs) != expected {
                failures.push((case.clone(), "another set"));
            }
            if !(Sums { runs: runs.clone(), exact: true }.is_sound(Range { min, max })) {
                failures.push((case.clone(), "runs out of order"));
            }
            gaps += usize::from(expected.len() as u64 != max.abs_diff(min) + 1);
            let stride = usize::try_from((max - min) / 400 + 1).unwrap();
            for sum in (min - 1..=max + 1).step_by(stride).chain(expected.iter().copied().take(30)) {
                let codes = case.solve(sum);
                if codes.is_some() != expected.contains(&sum) {
                    failures.push((case.clone(), "codes for another set"));
                }
                let Some(codes) = codes else { continue };
                let inside = codes.iter().all(|code| (case.range.min..=case.range.max).contains(code));
                let products =
                    codes.iter().zip(&case.weights).map(|(&code, weight)| i64::from(code) * weight);
                if !inside || products.sum::<i64>() + case.fixed != sum {
                    failures.push((case.clone(), "codes of another sum"));
                }
            }
        }
        assert!(failures.is_empty(), "{:#?}", &failures[..failures.len().min(3)]);
        assert!(gaps > 50, "{gaps}");
    }

    /// Thousands of weights, as layers have them, against the same sum made weight by weight.
    #[test]
    fn many_weights_leave_gaps_at_the_ends_only() {
        for (weights, expected) in [
            // 2a + 3b with a, b up to 255 * 500: all but 1 from either end.
            ([vec![2; 500], vec![-3; 500]].concat(), 255 * 2500 + 1 - 2),
            // Even ones, and one odd: all but 1, 3, 5 from either end.
            ([vec![2; 4000], vec![7]].concat(), 255 * 8007 + 1 - 6),
        ] {
            let case = of(&weights, (0, 255), 0);
            let runs = case.runs().unwrap();
            assert_eq!(runs.iter().map(Run::len).sum::<i64>(), expected, "{runs:?}");
        }
    }

    #[test]
    fn unions_are_those_of_their_numbers() {
        let cases = cases();
        for pair in cases.windows(2) {
            let (a, b) = (pair[0].runs().unwrap(), pair[1].runs().unwrap());
            let expected: BTreeSet<i64> = numbers(&a).union(&numbers(&b)).copied().collect();
            assert_eq!(numbers(&union(&a, &b).unwrap()), expected, "{pair:?}");
        }
    }

    #[test]
    fn ranks_count_what_occurs() {
        for case in cases() {
            let sums = every_sum(&case);
            let (min, max) = (*sums.first().unwrap(), *sums.last().unwrap());
            let ranks = Ranks::new(Range { min, max }, Sums::of(&[case], Range { min, max }).as_ref());
            for (rank, &sum) in (0_i64..).zip(&sums) {
                assert_eq!(
                    (ranks.below(sum), ranks.below(sum + 1), ranks.at(rank)),
                    (rank, rank + 1, Some(sum))
                );
            }
            assert_eq!((ranks.below(min - 9), ranks.below(max + 9)), (0, ranks.count()));
            assert_eq!((ranks.at(-1), ranks.at(ranks.count())), (None, None));
        }
    }
}
