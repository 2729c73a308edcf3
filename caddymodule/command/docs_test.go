// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/lang"
)

var pages = map[lang.Lang]string{lang.English: "commands.md", lang.Chinese: "commands.zh-CN.md"}

// accepts reports why the tree would not take a command line; "" if it would.
func accepts(line string) string {
	root := &cobra.Command{Use: "alipay"}
	(&tool{lang: lang.English}).build(root)
	cmd, args, err := root.Find(strings.Fields(strings.ReplaceAll(line, `"broken pot"`, "x"))[2:])
	if err != nil {
		return err.Error()
	}
	if err := cmd.ParseFlags(args); err != nil {
		return err.Error()
	}
	if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
		return err.Error()
	}
	if !cmd.Runnable() {
		return "it is no command"
	}
	return ""
}

// TestDocumentedCommands: every command line of the pages, and of the examples in
// the help, is one; every command is on the pages; and the timeline shown is what a
// test has seen.
func TestDocumentedCommands(t *testing.T) {
	t.Parallel()
	root := &cobra.Command{Use: "alipay"}
	(&tool{lang: lang.English}).build(root)
	for l, page := range pages {
		text := read(t, filepath.Join("..", "..", "docs", page))
		lines := regexp.MustCompile(`(?m)^caddy alipay .*`).FindAllString(text, -1)
		if len(lines) < 20 {
			t.Errorf("%s has %d command lines: does this test still look for the right thing?", page, len(lines))
		}
		for _, line := range lines {
			if why := accepts(line); why != "" {
				t.Errorf("%s: %s: %s", page, line, why)
			}
		}
		for _, cmd := range all(root) {
			if cmd.Runnable() && !strings.Contains(text, "\ncaddy "+cmd.CommandPath()) {
				t.Errorf("%s does not show %s", page, cmd.CommandPath())
			}
		}
		if shown := read(t, filepath.Join("..", "explain", "testdata", "retried."+string(l)+".txt")); !strings.Contains(text, "```\n"+shown+"```") {
			t.Errorf("%s shows another timeline than\n%s", page, shown)
		}
		for code := exitUsage; code <= exitUnknown; code++ {
			if !strings.Contains(text, "\n| "+string(rune('0'+code))+" |") {
				t.Errorf("%s does not tell of exit code %d", page, code)
			}
		}
	}
	for _, cmd := range all(root) {
		for line := range strings.Lines(cmd.Example) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), " | ")
			if why := accepts(strings.ReplaceAll(line, "$(date +%F)", "x")); line != "" && why != "" {
				t.Errorf("%s: %s", line, why)
			}
		}
	}
}
