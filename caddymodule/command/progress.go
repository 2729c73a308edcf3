// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// progress is a line on a terminal that shows how far long work has come. Off a
// terminal it is silent.
type progress struct {
	out   io.Writer // nil: silent
	now   func() time.Time
	unit  string
	total int64 // 0: not known
	count int64
	shown time.Time
	drawn bool
}

// progress begins a line on stderr; total is 0 if it is not known.
func (j *job) progress(total int64, unit string) *progress {
	p := &progress{now: j.now, unit: unit, total: total}
	if j.watched {
		p.out = j.stderr
	}
	p.shown = j.now() // what is done at once shows nothing
	return p
}

func (p *progress) off() { p.out = nil }

// drawEvery is how often the line is drawn at most.
const drawEvery = 100 * time.Millisecond

func (p *progress) add(n int64) {
	p.count += n
	if now := p.now(); p.out != nil && now.Sub(p.shown) >= drawEvery {
		p.shown = now
		p.draw()
	}
}

// barWidth is how many columns the bar has.
const barWidth = 30

func (p *progress) draw() {
	p.drawn = true
	if p.total <= 0 {
		fmt.Fprintf(p.out, "\r\x1b[K%d %s", p.count, p.unit)
		return
	}
	done := int(min(p.count, p.total) * barWidth / p.total)
	fmt.Fprintf(p.out, "\r\x1b[K[%s%s] %3d%%  %d/%d %s", strings.Repeat("=", done), strings.Repeat(" ", barWidth-done),
		min(p.count, p.total)*100/p.total, p.count, p.total, p.unit)
}

// done takes the line away.
func (p *progress) done() {
	if p.drawn {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

// Write counts bytes that pass.
func (p *progress) Write(b []byte) (int, error) {
	p.add(int64(len(b)))
	return len(b), nil
}
