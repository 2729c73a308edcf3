// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"slices"
)

// estimate is a median with its 95 % interval.
type estimate struct {
	Median, Low, High float64
	N                 int
}

// medianOf estimates the median of what paired runs gave. The interval comes
// from order statistics (the binomial sign test), so that it supposes nothing
// about the noise. Fewer than six values cannot give 95 %; their interval is
// all of them.
func medianOf(values []float64) estimate {
	if len(values) == 0 {
		return estimate{math.NaN(), math.NaN(), math.NaN(), 0}
	}
	v := slices.Sorted(slices.Values(values))
	n := len(v)
	k := signRank(n)
	return estimate{Median: (v[(n-1)/2] + v[n/2]) / 2, Low: v[k], High: v[n-1-k], N: n}
}

// signRank is how many values may be cut off at either end of n sorted ones so
// that the median lies between the rest with a probability of at least 0.95.
func signRank(n int) int {
	k, tail := 0, 0.0
	logHalf := -float64(n) * math.Ln2
	for k <= n/2 {
		choose, _ := math.Lgamma(float64(n + 1))
		a, _ := math.Lgamma(float64(k + 1))
		b, _ := math.Lgamma(float64(n - k + 1))
		tail += math.Exp(choose - a - b + logHalf)
		if tail > 0.025 {
			break
		}
		k++
	}
	return max(k-1, 0)
}

// percentile of sorted values: the smallest that at least the share p of them
// does not exceed.
func percentile(sorted []uint32, p float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	i := int(math.Ceil(p*float64(len(sorted)))) - 1
	return float64(sorted[min(max(i, 0), len(sorted)-1)])
}
