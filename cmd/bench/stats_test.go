// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"testing"
)

func TestMedianOf(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   estimate
	}{
		{[]float64{3}, estimate{3, 3, 3, 1}},
		{[]float64{4, 1, 3, 2}, estimate{2.5, 1, 4, 4}},
		{[]float64{6, 1, 2, 5, 3, 4}, estimate{3.5, 1, 6, 6}},               // 2/2^6 = 3.1 % outside
		{[]float64{9, 1, 2, 5, 3, 4, 6, 7, 8}, estimate{5, 2, 8, 9}},        // 2*(1+9)/2^9 = 3.9 %
		{[]float64{1, 2, 3, 4, 5, 6, 7, 8}, estimate{4.5, 1, 8, 8}},         // 2*(1+8)/2^8 = 7.0 % would be too much
		{[]float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, estimate{5.5, 2, 9, 10}}, // 2*(1+10)/2^10 = 2.1 %
	} {
		if got := medianOf(c.values); got != c.want {
			t.Errorf("medianOf(%v) = %+v, want %+v", c.values, got, c.want)
		}
	}
	if e := medianOf(nil); !math.IsNaN(e.Median) || e.N != 0 {
		t.Errorf("nothing gives %+v", e)
	}
}

// TestSignRank holds the ranks against a table of the sign test's critical
// values at 5 %, two-sided.
func TestSignRank(t *testing.T) {
	for n, want := range map[int]int{5: 0, 6: 0, 9: 1, 12: 2, 15: 3, 20: 5, 25: 7, 100: 39, 300: 132} {
		if got := signRank(n); got != want {
			t.Errorf("signRank(%d) = %d, want %d", n, got, want)
		}
	}
}

func TestPercentile(t *testing.T) {
	v := []uint32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	for p, want := range map[float64]float64{0.5: 5, 0.99: 10, 1: 10, 0: 1, 0.9: 9} {
		if got := percentile(v, p); got != want {
			t.Errorf("percentile %v = %v, want %v", p, got, want)
		}
	}
}
