// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Package bolt is the default ledger: one file, for one process, on bbolt.
//
// # Layout
//
// Whatever grows, grows at its end. bbolt pays for a random key with a page of
// its own in every commit, so each record lives under a number that only grows
// (see nextID), and the indexes by name hold short entries.
//
//	meta      version, salt
//	names     number -> text that repeats (apps, sellers, sites, states)
//	orders    id -> order, with the ids of its events and the places of its evidence
//	number    a set of app and out_trade_no, hashed, with the order's id
//	tradeno   a set of trade_no, its date and last digits, with the order's id
//	state     a set of state with the order's id
//	agenda    order's id -> how many events the shop has not accepted, and what is
//	          to be done when; an order with nothing left to do is not in it
//	due       a set of task, whose, time, with the order's id: the agendas by time
//	events    id -> event and, once it is accepted, how it went to the shop
//	evidence  chunks of one stream of evidence, raw messages included
//	held      id -> held item
//	digest    held item's digest -> its id
//	waiting   a set of held items' ids: those that wait for a person
//	about     a set of app and out_trade_no, hashed, with a held item's id
//	totals    app -> sums over its orders, kept up to date by each transaction
//	settings  name -> value
//	alias     event's id in the ledger that it came from -> its id; only if there is one
//	archived  app -> sums over its orders that were moved to archives
//	freed     chunk of evidence -> how many of its bytes nobody refers to
//
// An id is a big-endian uint64: the time of the record in microseconds since
// 1970, or one more than the last id if that is greater. It serves as a
// sequence and, for seeking, as a time, and survives clocks that are set back.
//
// # Files of the package
//
// ledger.go opens and closes, file.go is the file itself, upgrade.go brings older
// files up to date; committer.go gathers calls into transactions, group.go is one
// of them, record.go what calls do in it, and held.go what a person decides.
// accept.go holds the marks that ride along, told.go writes them down; agenda.go
// and lease.go are what is to be done and by whom, recent.go the orders at hand,
// totals.go the sums. set.go is what indexes are made of, stream.go the evidence;
// wire.go and the *codec.go files are the encoding. read.go, list.go and
// history.go are the reading side, archive.go and remove.go are for orders that
// move to archives, backup.go copies a file in use and check.go reads one through;
// export.go and import.go carry records to other ledgers and back, alias.go keeps
// their ids; module.go is Caddy's face.
package bolt
