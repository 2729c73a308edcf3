// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Package postgres is the ledger in a PostgreSQL database (13 or later), for any
// number of processes. It brings no cluster code: replication, failover and backup
// are the database's own.
//
// # What a process does
//
// Calls that change something are gathered into transactions, as many as arrive
// while the one before is running. A transaction costs two round trips. The first
// locks the orders' rows and reads them; what evidence means is then decided here,
// by the pure functions of trade; the second writes everything and commits. Rows
// that get a position in a listing or in the journal are written last, under a
// lock on the row of clock that is held by the server alone, never across a round
// trip: so positions appear in the order of commits, and who reads the journal to
// its end misses nothing.
//
// A transaction that fails because of another one, or with its connection, is
// tried again a few times. All that it does can be repeated without harm, also
// when the first try had been committed and only its answer was lost.
//
// # What is bound to a session
//
// LISTEN alone, on a connection of its own. Migrations take a lock that ends with
// their transaction, and all settings are made within transactions. Behind a
// pooler by transaction, other processes' changes are found by asking (poll).
//
// # Files of the package
//
// ledger.go opens and closes, config.go and migrate.go prepare; committer.go
// gathers calls, group.go is a transaction, record.go what calls do in it, save.go
// and derived.go write it. marks.go holds the accepted marks that ride along,
// lease.go what is to be done and by whom, hub.go tells other processes. read.go,
// list.go, history.go, setting.go and totals.go are the reading side; wire.go,
// convert.go and text.go are the encoding, sqlread.go, sqlwrite.go and sqlarchive.go
// the statements, migrations the schema; archive.go and tidy.go are for orders that
// move to archives; module.go is Caddy's face.
package postgres
