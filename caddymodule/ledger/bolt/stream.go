// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"
)

// The evidence bucket is one stream of bytes, cut into chunks of which two fill
// a page exactly. Notices are about 1.4 kB, of which bbolt would store two on a
// page of 4 kB and leave the rest empty for good.

const (
	pageSize = 4096
	// a page has a header of 16 bytes, an element one of 16 and a key of 8
	chunkSize = (pageSize-16)/2 - 24
)

// streamWriter appends to the stream within one transaction. It keeps the
// unfinished chunk and what was added in memory until flush.
type streamWriter struct {
	bucket *bbolt.Bucket
	first  uint64 // number of the chunk with which pending begins
	data   []byte
	grown  bool
}

// openStream uses buf, which must stay untouched until the transaction ends.
func openStream(b *bbolt.Bucket, buf []byte) (streamWriter, error) {
	w := streamWriter{bucket: b, data: buf[:0]}
	k, v := b.Cursor().Last()
	if k == nil {
		return w, nil
	}
	n, ok := parseID(k)
	if !ok || len(v) > chunkSize {
		return w, fmt.Errorf("%w: evidence chunk %x of %d bytes", errDamaged, k, len(v))
	}
	w.first, w.data = n, append(w.data, v...)
	return w, nil
}

// append adds a record and returns its place.
func (w *streamWriter) append(record []byte) uint64 {
	place := w.first*chunkSize + uint64(len(w.data))
	w.data = binary.AppendUvarint(w.data, uint64(len(record)))
	w.data = append(w.data, record...)
	w.grown = true
	return place
}

func (w *streamWriter) flush() error {
	if !w.grown {
		return nil
	}
	w.bucket.FillPercent = 1
	for i := 0; i < len(w.data); i += chunkSize {
		chunk := w.data[i:min(i+chunkSize, len(w.data))]
		if err := w.bucket.Put(idKey(w.first+uint64(i/chunkSize)), chunk); err != nil {
			return err
		}
	}
	return nil
}

// readStream returns a copy of the record at place.
func readStream(b *bbolt.Bucket, place uint64) ([]byte, error) {
	c := b.Cursor()
	number, at := place/chunkSize, int(place%chunkSize)
	next := func() ([]byte, error) {
		k, v := c.Seek(idKey(number))
		if id, ok := parseID(k); !ok || id != number || at > len(v) {
			return nil, fmt.Errorf("%w: evidence at %d is not there", errDamaged, place)
		}
		v = v[at:]
		number, at = number+1, 0
		return v, nil
	}
	part, err := next()
	if err != nil {
		return nil, err
	}
	// the length itself may lie across two chunks
	head := part
	if len(head) < binary.MaxVarintLen64 {
		if more, err := next(); err == nil {
			head = append(bytes.Clone(head), more...)
		}
	}
	size, n := binary.Uvarint(head)
	if n <= 0 {
		return nil, fmt.Errorf("%w: evidence at %d has no length", errDamaged, place)
	}
	record := head[n:]
	if uint64(len(record)) >= size {
		return bytes.Clone(record[:size]), nil
	}
	record = bytes.Clone(record)
	for uint64(len(record)) < size {
		if part, err = next(); err != nil {
			return nil, err
		}
		record = append(record, part...)
	}
	return record[:size], nil
}
