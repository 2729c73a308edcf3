// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// ErrDamaged: a file is no archive, or not a whole one.
var ErrDamaged = errors.New("no archive, or a damaged one")

// Summary is the last line of a file: what the lines before it hold.
type Summary struct {
	Summary     string // the file's kind: "caddy-alipay orders"
	Orders      int
	PaidFen     int64  // of all orders proved as paid
	RefundedFen int64  // as Alipay has stated
	SHA256      string // of all lines before this one, their ends of line included
}

const kind = "caddy-alipay orders"

// tally adds up lines.
type tally struct {
	Summary
	hash hash.Hash
}

func newTally() *tally { return &tally{Summary: Summary{Summary: kind}, hash: sha256.New()} }

func (t *tally) add(line []byte, o *trade.Order) {
	t.hash.Write(line)
	t.hash.Write([]byte{'\n'})
	t.Orders++
	t.RefundedFen += int64(o.Refunded())
	if o.Paid {
		t.PaidFen += int64(o.Total)
	}
}

func (t *tally) summary() Summary {
	s := t.Summary
	s.SHA256 = hex.EncodeToString(t.hash.Sum(nil))
	return s
}

// writer writes a file under a temporary name.
type writer struct {
	file  *os.File // mode 0600
	out   *bufio.Writer
	gz    *gzip.Writer
	tally *tally
}

func newWriter(folder, name string) (*writer, error) {
	f, err := os.CreateTemp(folder, "."+name+".*.tmp")
	if err != nil {
		return nil, err
	}
	out := bufio.NewWriterSize(f, 1<<18)
	return &writer{file: f, out: out, gz: gzip.NewWriter(out), tally: newTally()}, nil
}

func (w *writer) add(line []byte, o *trade.Order) error {
	w.tally.add(line, o)
	if _, err := w.gz.Write(line); err != nil {
		return err
	}
	_, err := w.gz.Write([]byte{'\n'})
	return err
}

// finish writes the summary and has all of it on disk.
func (w *writer) finish() (Summary, error) {
	s := w.tally.summary()
	line, err := json.Marshal(s)
	if err == nil {
		_, err = w.gz.Write(append(line, '\n'))
	}
	for _, step := range []func() error{w.gz.Close, w.out.Flush, w.file.Sync, w.file.Close} {
		if err == nil {
			err = step()
		}
	}
	return s, err
}

// discard ends a file that is not wanted; after publish there is none.
func (w *writer) discard() {
	err := errors.Join(w.file.Close(), os.Remove(w.file.Name()))
	_ = err // a later run takes away what is left
}

// publish gives the file its name, or the next that is free: alipay-2024-03.jsonl.gz,
// alipay-2024-03-2.jsonl.gz… A link, unlike a renaming, never replaces a file.
func (w *writer) publish(folder, name string) (string, error) {
	for n := 1; ; n++ {
		full := name + extension
		if n > 1 {
			full = fmt.Sprintf("%s-%d%s", name, n, extension)
		}
		err := os.Link(w.file.Name(), filepath.Join(folder, full))
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err == nil {
			err = os.Remove(w.file.Name())
		}
		return full, err
	}
}

const extension = ".jsonl.gz"

// syncFolder has the names in a folder on disk.
func syncFolder(folder string) error {
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Read reads a file to its end, gives each order to each, and checks it against its
// summary. ErrDamaged: it is not whole; what each has got until then is not to be
// relied on.
func Read(path string, each func(w *ledger.Whole, line []byte) error) (Summary, error) {
	f, err := os.Open(path)
	if err != nil {
		return Summary{}, err
	}
	defer f.Close()
	gz, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		return Summary{}, damaged(err)
	}
	lines, t := bufio.NewReaderSize(gz, 1<<16), newTally()
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return Summary{}, damaged(err)
		}
		line = line[:len(line)-1]
		var s Summary
		if err := json.Unmarshal(line, &s); err == nil && s.Summary == kind {
			return s, last(lines, s, t.summary())
		}
		var w ledger.Whole
		if err := json.Unmarshal(line, &w); err != nil {
			return Summary{}, damaged(err)
		}
		t.add(line, &w.Record.Order)
		if err := each(&w, line); err != nil {
			return Summary{}, err
		}
	}
}

// last checks the end of a file: its summary is what was counted, and nothing
// follows.
func last(lines *bufio.Reader, stated, counted Summary) error {
	if stated != counted {
		return damaged(fmt.Errorf("it states %d orders and holds %d, or others", stated.Orders, counted.Orders))
	}
	if _, err := lines.ReadByte(); !errors.Is(err, io.EOF) {
		return damaged(errors.New("something follows the summary"))
	}
	return nil
}

func damaged(err error) error {
	if errors.Is(err, io.EOF) {
		err = errors.New("it has no end")
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}
