// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

// What archiving reads and deletes.
const (
	sqlWholeOrder = `SELECT ` + orderColumns + `, o.tellings, o.position FROM {}.orders o
		WHERE o.app_id = $1 AND o.out_trade_no = $2`
	sqlWholeEvidence = `SELECT v.facts, v.raw, v.content_type FROM {}.evidence v WHERE v.order_id = $1 ORDER BY v.number`
	sqlWholeEvents   = `SELECT ` + eventColumns + `, e.position, e.evidence
		FROM {}.events e WHERE e.order_id = $1 ORDER BY e.sequence`

	sqlEraseOrders   = `DELETE FROM {}.orders WHERE id = ANY($1)`
	sqlEraseImported = `DELETE FROM {}.aliases m USING {}.events e
		WHERE e.order_id = ANY($1) AND e.public_id IS NOT NULL AND m.public_id = e.public_id`
	sqlEraseEvents   = `DELETE FROM {}.events WHERE order_id = ANY($1)`
	sqlEraseEvidence = `DELETE FROM {}.evidence WHERE order_id = ANY($1)`
	sqlEraseAgenda   = `DELETE FROM {}.agenda WHERE order_id = ANY($1)`
	sqlEraseLeases   = `DELETE FROM {}.leases WHERE order_id = ANY($1)`
	sqlEraseHeld     = `DELETE FROM {}.held WHERE digest = ANY($1)`

	sqlParts = `SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace n ON n.oid = p.relnamespace
		WHERE n.nspname = $1 AND p.relname = 'evidence' ORDER BY c.relname`
	// ONLY: the parts of other months stay free; to drop a part locks its table anyway
	sqlLockJournal = `LOCK TABLE ONLY {}.evidence, ONLY {}.events IN ACCESS EXCLUSIVE MODE`
	sqlMonthUsed   = `SELECT EXISTS (SELECT FROM {}.orders WHERE id >= $1 AND id < $2)
		OR EXISTS (SELECT FROM {}.evidence WHERE order_id >= $1 AND order_id < $2)
		OR EXISTS (SELECT FROM {}.events WHERE order_id >= $1 AND order_id < $2)`
)
