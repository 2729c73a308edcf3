// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"strings"
)

// report is the Markdown page that the bench writes.
type report struct {
	machine  []string
	sections []*section
}

// section is one scenario: what is held against a target, and what else was
// seen.
type section struct {
	title  string
	note   string
	rows   []row
	header string // of details
	detail []string
}

// row is one target.
type row struct {
	what, target, measured string
	met                    bool
}

func (r *report) section(title, note string) *section {
	s := &section{title: title, note: note}
	r.sections = append(r.sections, s)
	return s
}

// atLeast and atMost add a target and what was measured; the value counts, not
// the friendlier end of its interval.
func (s *section) atLeast(what string, target float64, e estimate, format string) {
	s.add(what, "≥ "+trim(target), target, e, e.Median >= target, format)
}

func (s *section) atMost(what string, target float64, e estimate, format string) {
	s.add(what, "≤ "+trim(target), target, e, e.Median <= target, format)
}

// upperAtMost holds the interval's upper end against the target.
func (s *section) upperAtMost(what string, target float64, e estimate, format string) {
	s.add(what, "upper end ≤ "+trim(target), target, e, e.High <= target, format)
}

func (s *section) add(what, target string, _ float64, e estimate, met bool, format string) {
	s.rows = append(s.rows, row{what, target, show(e, format), met})
}

func show(e estimate, format string) string {
	if e.N < 2 {
		return fmt.Sprintf(format, e.Median)
	}
	return fmt.Sprintf(format+" ("+format+"–"+format+")", e.Median, e.Low, e.High)
}

func trim(v float64) string { return fmt.Sprintf("%g", v) }

func (s *section) details(header string) { s.header = header }

func (s *section) line(cells ...any) {
	text := make([]string, len(cells))
	for i, c := range cells {
		text[i] = fmt.Sprint(c)
	}
	s.detail = append(s.detail, strings.Join(text, " | "))
}

// misses is how many targets were not met.
func (r *report) misses() int {
	n := 0
	for _, s := range r.sections {
		for _, row := range s.rows {
			if !row.met {
				n++
			}
		}
	}
	return n
}

const preface = `# Performance

Written by ` + "`go run ./cmd/bench -o docs/performance.md`" + `. Every figure comes from real HTTP on loopback with
connections kept alive; server, shop and load generator are processes of their own. Where two things are compared they
run in turn (A B B A …) in one call; a ratio is the median over the pairs, in brackets its 95 % interval (sign test).
CPU time is what the operating system counts for the server's process, in user code and in the kernel. **MISSED** marks
a target that was not reached.

`

func (r *report) write(w io.Writer) error {
	var b strings.Builder
	b.WriteString(preface)
	b.WriteString("## Machine\n\n")
	for _, line := range r.machine {
		b.WriteString("- " + line + "\n")
	}
	for _, s := range r.sections {
		b.WriteString("\n## " + s.title + "\n\n" + s.note + "\n")
		if len(s.rows) > 0 {
			b.WriteString("\n| | target | measured | |\n|---|---|---|---|\n")
		}
		for _, row := range s.rows {
			verdict := "met"
			if !row.met {
				verdict = "**MISSED**"
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", row.what, row.target, row.measured, verdict)
		}
		if len(s.detail) > 0 {
			fmt.Fprintf(&b, "\n| %s |\n|%s\n", s.header, strings.Repeat("---|", strings.Count(s.header, "|")+1))
		}
		for _, line := range s.detail {
			b.WriteString("| " + line + " |\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
