// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

func nothing(*ledger.Whole, []byte) error { return nil }

// written is a file of some orders, under its name.
func written(t *testing.T, folder string, numbers ...string) string {
	t.Helper()
	w, err := newWriter(folder, "alipay-2024-03")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range numbers {
		whole := ledger.Whole{Record: ledger.Record{Order: trade.Order{AppID: "1", OutTradeNo: n, Total: 8888, Paid: true}}}
		line, err := whole.Line()
		if err != nil {
			t.Fatal(err)
		}
		if err := w.add(line, &whole.Record.Order); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.finish(); err != nil {
		t.Fatal(err)
	}
	name, err := w.publish(folder, "alipay-2024-03")
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(folder, name)
}

func TestFile(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	first := written(t, folder, "A", "B")
	if second := written(t, folder, "C"); filepath.Base(first) != "alipay-2024-03.jsonl.gz" || filepath.Base(second) != "alipay-2024-03-2.jsonl.gz" {
		t.Errorf("%s, %s", first, second)
	}
	var numbers []string
	s, err := Read(first, func(w *ledger.Whole, _ []byte) error {
		numbers = append(numbers, w.Record.Order.OutTradeNo)
		return nil
	})
	if err != nil || strings.Join(numbers, "") != "AB" || s.Orders != 2 || s.PaidFen != 2*8888 || s.RefundedFen != 0 {
		t.Errorf("%q, %+v: %v", numbers, s, err)
	}
	if info, err := os.Stat(first); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if left, err := filepath.Glob(filepath.Join(folder, ".*")); err != nil || len(left) > 0 {
		t.Errorf("%q is left: %v", left, err)
	}
}

// TestDamagedFile: a file that is cut anywhere, changed, or longer than its summary
// is never taken for a whole one.
func TestDamagedFile(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := written(t, folder, "A", "B")
	packed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	wrong := filepath.Join(folder, "wrong")
	check := func(what string, data []byte) {
		t.Helper()
		if err := os.WriteFile(wrong, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(wrong, nothing); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for n := range packed {
		check("cut", packed[:n])
	}
	plain := unpacked(t, path)
	lines := strings.SplitAfter(plain, "\n")
	check("without an order", pack(t, lines[0]+lines[2]))
	check("with an order twice", pack(t, lines[0]+plain))
	check("with another sum", pack(t, strings.Replace(plain, "88.88", "88.89", 1)))
	check("with another number", pack(t, strings.Replace(plain, `"OutTradeNo":"A"`, `"OutTradeNo":"C"`, 1)))
	check("with something behind", pack(t, plain+"{}\n"))
	check("without the end", pack(t, lines[0]+lines[1]))
}

func unpacked(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	gz, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(gz)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func pack(t *testing.T, text string) []byte {
	t.Helper()
	var b strings.Builder
	gz := gzip.NewWriter(&b)
	if _, err := io.WriteString(gz, text); err != nil {
		t.Fatal(err)
	}
	if err := gz.Close(); err != nil {
		t.Fatal(err)
	}
	return []byte(b.String())
}
