// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
)

// The two languages of the operations' page.
var operations = []string{"operations.md", "operations.zh-CN.md"}

func doc(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// lived is what a Caddy's metrics are after payments that went all ways: the names
// of ours, and their labels' values.
func lived(t *testing.T) (names map[string]bool, values map[string]map[string]bool) {
	w := newWorld(t, scraped)
	w.buy("OP1", "1.00")
	w.wantNotify(w.notice("OP1", "1.00"), 200, "success")
	w.Shop.offer("OP2", "1.00")
	w.Gateway.Open(w.pay("OP2").String())
	w.fault("OP2", "notify_never")
	if err := w.Gateway.Pay("OP2", 1); err != nil {
		t.Fatal(err)
	}
	w.Gateway.Wait()
	w.get(must(url.Parse(must(w.Gateway.Trade("OP2")).ReturnURL)).RequestURI())
	names, values = map[string]bool{}, map[string]map[string]bool{}
	text := w.get("/metrics").Body
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (caddy_alipay_\w+) `).FindAllStringSubmatch(text, -1) {
		names[m[1]] = true
	}
	names["caddy_alipay_certificate_expiry_timestamp_seconds"] = true // with certificates only: TestExpiriesAreShown
	for _, m := range regexp.MustCompile(`(?m)^caddy_alipay_\w+\{(.*)\} `).FindAllStringSubmatch(text, -1) {
		for _, l := range regexp.MustCompile(`(\w+)="([^"]*)"`).FindAllStringSubmatch(m[1], -1) {
			if values[l[1]] == nil {
				values[l[1]] = map[string]bool{}
			}
			values[l[1]][l[2]] = true
		}
	}
	delete(values["ledger"], "faulty") // the guest module of another test of this process
	if len(names) < 25 || len(values["outcome"]) < 20 {
		t.Fatalf("%d metrics, %d outcomes: this test has lost its point", len(names), len(values["outcome"]))
	}
	return names, values
}

// named are the metrics that a text names, without the endings of a histogram's
// series.
func named(text string, known map[string]bool) map[string]bool {
	found := map[string]bool{}
	for _, name := range regexp.MustCompile(`caddy_alipay_\w+`).FindAllString(text, -1) {
		for _, ending := range []string{"_bucket", "_sum", "_count"} {
			if base, cut := strings.CutSuffix(name, ending); cut && known[base] {
				name = base
			}
		}
		found[name] = true
	}
	return found
}

func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }

// TestOperationsNameWhatThereIs: the pages explain each metric and each word that a
// running Caddy shows, and no others; rules and dashboard ask for nothing else.
func TestOperationsNameWhatThereIs(t *testing.T) {
	names, values := lived(t)
	for _, page := range operations {
		text := doc(t, page)
		if got := named(text, nil); !maps.Equal(got, names) {
			t.Errorf("%s names\n%q\nand Caddy shows\n%q", page, sorted(got), sorted(names))
		}
		for _, label := range []string{"outcome", "reason", "event", "source", "route"} {
			for value := range values[label] {
				if !strings.Contains(text, "`"+value+"`") {
					t.Errorf("%s does not explain %s %q", page, label, value)
				}
			}
		}
		for _, kind := range []string{"bolt", "postgres"} { // tests of this process have ledgers of their own
			if !strings.Contains(text, "`"+kind+"`") {
				t.Errorf("%s does not name the ledger %s", page, kind)
			}
		}
		for label := range values {
			if label != "le" && !strings.Contains(text, "`"+label+"`") {
				t.Errorf("%s does not explain the label %s", page, label)
			}
		}
	}
	if got := named(doc(t, "grafana-dashboard.json"), names); !maps.Equal(got, names) {
		t.Errorf("the dashboard shows\n%q\nand Caddy\n%q", sorted(got), sorted(names))
	}
	for name := range named(doc(t, "alerts.yml"), names) {
		if !names[name] {
			t.Errorf("a rule asks for %s, which Caddy does not show", name)
		}
	}
}

// TestOperationsAreTwins: both languages name the same things, and every alert is
// explained in both, and tried.
func TestOperationsAreTwins(t *testing.T) {
	t.Parallel()
	spans := func(page string) map[string]bool {
		set := map[string]bool{}
		for _, m := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(doc(t, page), -1) {
			set[m[1]] = true
		}
		return set
	}
	en, zh := spans(operations[0]), spans(operations[1])
	for _, s := range sorted(en) {
		if !zh[s] {
			t.Errorf("only the English page has `%s`", s)
		}
	}
	for _, s := range sorted(zh) {
		if !en[s] {
			t.Errorf("only the Chinese page has `%s`", s)
		}
	}
	find := func(text, pattern string) []string {
		var found []string
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			found = append(found, m[1])
		}
		slices.Sort(found)
		return found
	}
	alerts := find(doc(t, "alerts.yml"), `(?m)^ +- alert: (\w+)$`)
	tried := find(string(must(os.ReadFile("testdata/alerts_test.yml"))), `alertname="(\w+)"`)
	if len(alerts) < 10 || !slices.Equal(alerts, tried) {
		t.Errorf("the rules are %q, tried are %q", alerts, tried)
	}
	for _, page := range operations {
		text := doc(t, page)
		if got := find(text, `(?m)^### (Alipay\w+)$`); !slices.Equal(got, alerts) {
			t.Errorf("%s explains %q, the rules are %q", page, got, alerts)
		}
		for _, anchor := range find(text, `\]\(#([^)]+)\)`) {
			if !slices.ContainsFunc(find(text, `(?m)^#+ (.*)$`), func(heading string) bool {
				return strings.ReplaceAll(strings.ToLower(heading), " ", "-") == anchor
			}) {
				t.Errorf("%s leads to #%s, which is nowhere", page, anchor)
			}
		}
		for _, block := range find(text, "(?s)```caddyfile\n(.*?)```") {
			if _, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(block), nil); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
}

// promtool finds Prometheus' own tool, which Debian has in the package prometheus.
func promtool(t *testing.T, dir string, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	command := exec.CommandContext(t.Context(), path, args...)
	command.Dir = dir
	if output, err := command.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, output)
	}
}

// TestAlertRules: Prometheus takes the rules; they are silent while all is well, and
// each one speaks when it should.
func TestAlertRules(t *testing.T) {
	t.Parallel()
	promtool(t, filepath.Join("..", "docs"), "check", "rules", "alerts.yml")
	promtool(t, "testdata", "test", "rules", "alerts_test.yml")
}

// TestDashboard: Grafana's file is complete, no two panels lie on each other, and
// Prometheus takes each of its expressions.
func TestDashboard(t *testing.T) {
	t.Parallel()
	var dashboard struct {
		UID    string
		Panels []struct {
			ID      int
			Type    string
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(doc(t, "grafana-dashboard.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	taken := map[[2]int]int{}
	ids := map[int]bool{}
	rules := "groups:\n- name: dashboard\n  rules:\n"
	for _, p := range dashboard.Panels {
		if p.Title == "" || ids[p.ID] || p.Type != "row" && len(p.Targets) == 0 || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %+v", p)
		}
		ids[p.ID] = true
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if taken[at] != 0 {
					t.Errorf("panels %d and %d lie on each other", taken[at], p.ID)
				}
				taken[at] = p.ID
			}
		}
		for i, target := range p.Targets {
			expr := strings.NewReplacer("$__rate_interval", "5m", "$account", ".*").Replace(target.Expr)
			if strings.Contains(expr, "$") {
				t.Errorf("%q holds a variable that the dashboard does not have", target.Expr)
			}
			rules += fmt.Sprintf("  - record: panel:%d:%d\n    expr: %q\n", p.ID, i, expr)
		}
	}
	if dashboard.UID == "" || len(ids) < 20 {
		t.Errorf("%d panels", len(ids))
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "rules.yml"), []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, dir, "check", "rules", "rules.yml")
}
