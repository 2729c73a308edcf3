// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/lang"
)

// all are the commands below a command, and itself.
func all(cmd *cobra.Command) []*cobra.Command {
	list := []*cobra.Command{cmd}
	for _, sub := range cmd.Commands() {
		list = append(list, all(sub)...)
	}
	return list
}

// TestHelp: every command and every flag is explained in both languages, what runs
// has examples of itself, and its exit codes are told.
func TestHelp(t *testing.T) {
	t.Parallel()
	han := func(s string) bool {
		return strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(unicode.Han, r) })
	}
	for _, l := range []lang.Lang{lang.English, lang.Chinese} {
		root := &cobra.Command{Use: "alipay", Short: "x", Long: (&tool{lang: l}).long()}
		(&tool{lang: l}).build(root)
		for _, cmd := range all(root) {
			path := cmd.CommandPath()
			if cmd.Short == "" || cmd.Long == "" || cmd != root && han(cmd.Short) != (l == lang.Chinese) || han(cmd.Long) != (l == lang.Chinese) {
				t.Errorf("%s: %s is not explained in it", l, path)
			}
			if cmd.Runnable() && !strings.Contains(cmd.Example, "  caddy "+path) {
				t.Errorf("%s has no example", path)
			}
			if cmd.Runnable() && !strings.Contains(cmd.Long, (&tool{lang: l}).exitCodes()) {
				t.Errorf("%s does not tell its exit codes", path)
			}
			cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
				if f.Name != "help" && han(f.Usage) != (l == lang.Chinese) {
					t.Errorf("%s: --%s of %s is not explained in it", l, f.Name, path)
				}
			})
		}
	}
}

// TestCompletion: a shell completes the commands as it does Caddy's own.
func TestCompletion(t *testing.T) {
	t.Parallel()
	cmd := caddyCommand(t, t.TempDir(), "C")
	cmd.Args = []string{cmd.Args[0], "__complete", "alipay", ""}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(out)) {
		name, _, _ := strings.Cut(line, "\t")
		names = append(names, name)
	}
	for _, want := range []string{
		"keygen", "doctor", "orders", "show", "explain", "query", "refund", "close", "held", "events", "redeliver", "backup", "export", "ledger",
	} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not completed; there are %v", want, names)
		}
	}
}
