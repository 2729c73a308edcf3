// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package teashop

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

const (
	maxOrders    = 10_000   // orders that the demo shop keeps
	maxOrderFile = 16 << 20 // bytes of the file with all of them
)

var errBookFull = errors.New("the demo shop's order book is full; delete its file to begin a new one")

// book is the shop's orders, kept in one JSON file. It is as simple as a demo
// may be: each change writes the whole file anew, beside the old one, and then
// takes its place.
type book struct {
	path string

	mu     sync.Mutex
	orders []Order // by time
	index  map[string]int
}

func openBook(path string) (*book, error) {
	b := &book{path: path, index: map[string]int{}}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxOrderFile))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &b.orders); err != nil {
		return nil, fmt.Errorf("%q is no list of orders: %w; move it away to begin a new one", path, err)
	}
	for i := range b.orders {
		b.index[b.orders[i].Number] = i
	}
	return b, nil
}

func (b *book) find(number string) (Order, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at, ok := b.index[number]
	if !ok {
		return Order{}, false
	}
	return b.orders[at], true
}

// of lists a customer's orders, the latest first.
func (b *book) of(customer string) []Order {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []Order
	for _, o := range slices.Backward(b.orders) {
		if o.Customer == customer {
			list = append(list, o)
		}
	}
	return list
}

func (b *book) add(o Order) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.orders) >= maxOrders {
		return errBookFull
	}
	if err := b.save(append(slices.Clone(b.orders), o)); err != nil {
		return err
	}
	b.index[o.Number] = len(b.orders) - 1
	return nil
}

// update changes one order and reports whether there is one. When it returns
// without an error, the change is on disk.
func (b *book) update(number string, change func(*Order)) (found bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at, found := b.index[number]
	if !found {
		return false, nil
	}
	changed := b.orders[at]
	change(&changed)
	if changed == b.orders[at] {
		return true, nil
	}
	orders := slices.Clone(b.orders)
	orders[at] = changed
	return true, b.save(orders)
}

// save writes orders and, once they are on disk, makes them the book's.
func (b *book) save(orders []Order) error {
	data, err := json.MarshalIndent(orders, "", "\t")
	if err != nil {
		return err
	}
	if err := replaceFile(b.path, append(data, '\n')); err != nil {
		return err
	}
	b.orders = orders
	return nil
}

// replaceFile writes a file so that a crash leaves the old one or the new one.
func replaceFile(path string, data []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) // gone already if all went well
	_, err = temp.Write(data)
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}
