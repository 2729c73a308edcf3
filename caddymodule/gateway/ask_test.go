// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestCallsAreObserved: each call is told of once, with the outcome that its
// caller reads from the error.
func TestCallsAreObserved(t *testing.T) {
	alipay := namedPair(t, "alipay")
	f := newFakeGateway(t)
	g := newTestGateway(t, f.URL)
	var seen []Call
	g.observe = func(c Call) { seen = append(seen, c) }
	ask := func(answer string) Call {
		t.Helper()
		seen = nil
		f.says(answer)
		_, err := g.Query(context.Background(), "T-1")
		if len(seen) != 1 || seen[0].Outcome != outcomeOf(err) || seen[0].Method != "alipay.trade.query" || seen[0].Took < 0 {
			t.Fatalf("%v was observed as %+v", err, seen)
		}
		return seen[0]
	}
	for answer, want := range map[string]Outcome{
		answering(t, alipay, paidAnswer):                                                       OutcomeSucceeded,
		answering(t, alipay, `{"code":"40004","sub_code":"ACQ.TRADE_NOT_EXIST"}`):              OutcomeNoTrade,
		answering(t, alipay, `{"code":"40004","sub_code":"ACQ.SYSTEM_ERROR"}`):                 OutcomeUnknown,
		answering(t, alipay, `{"code":"40006","sub_code":"isv.insufficient-isv-permissions"}`): OutcomeRefused,
		answering(t, alipay, strings.Replace(paidAnswer, "T-1", "T-2", 1)):                     OutcomeUnknown,
		"nonsense": OutcomeUnknown,
	} {
		if got := ask(answer); got.Outcome != want || !slices.Contains(Outcomes(), got.Outcome) {
			t.Errorf("%s is %s, want %s", answer, got.Outcome, want)
		}
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	seen = nil
	if err := g.CloseTrade(ended, "T-1"); err == nil || len(seen) != 1 || seen[0].Outcome != OutcomeUnknown || seen[0].Method != "alipay.trade.close" {
		t.Errorf("%v was observed as %+v", err, seen)
	}
}

// TestOnlyAskCalls: no method of the gateway makes a call past the place where
// calls are counted.
func TestOnlyAskCalls(t *testing.T) {
	t.Parallel()
	calls := 0
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			selector, ok := n.(*ast.SelectorExpr)
			if ok && (selector.Sel.Name == "call" || selector.Sel.Name == "readAnswer") {
				calls++
				if name != "ask.go" {
					t.Errorf("%s uses %s; ask counts what it calls", name, selector.Sel.Name)
				}
			}
			return true
		})
	}
	if calls != 2 {
		t.Errorf("%d uses were found: this test has lost its point", calls)
	}
}
