// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

// What carries records over to another ledger, and from one. Imported records bring
// their positions along; the clock goes on above them.
const (
	// The transaction may stand idle while the other side writes. Tables that were
	// filled a moment ago have no statistics yet, and would be read whole for each page.
	sqlExporting = `SELECT set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '0', true),
		set_config('enable_seqscan', 'off', true)`
	sqlCountOrders  = `SELECT count(*)::integer FROM {}.orders`
	sqlExportOrders = `SELECT ` + orderColumns + `, o.tellings, o.position FROM {}.orders o
		WHERE o.position > $1 ORDER BY o.position LIMIT $2`
	sqlExportEvidence = `SELECT v.order_id, v.facts, v.raw, v.content_type FROM {}.evidence v
		WHERE v.order_id = ANY($1) ORDER BY v.order_id, v.number`
	sqlExportEvents = `SELECT e.order_id, e.position, e.evidence, ` + eventColumns + ` FROM {}.events e
		WHERE e.order_id = ANY($1) ORDER BY e.order_id, e.sequence`
	sqlExportSettings = `SELECT name, value FROM {}.settings ORDER BY name`

	sqlImportLock  = `SELECT ` + orderColumns + `, o.tellings, o.position` + byKey + ` ORDER BY o.app_id, o.out_trade_no FOR UPDATE OF o`
	sqlImportClock = `UPDATE {}.clock SET last = greatest(last, $1)`
	sqlImportOrder = `INSERT INTO {}.orders (id, position, app_id, out_trade_no, trade_no, status, total, refunded,
			sequence, accepted, paid_sequence, evidences, updated_at, body, agenda, tellings, created_at)
		SELECT u.id, u.position, u.app_id, u.out_trade_no, nullif(u.trade_no, ''), u.status, u.total, u.refunded,
			u.sequence, u.accepted, u.paid_sequence, u.evidences, u.updated_at, u.body::jsonb, u.agenda::jsonb,
			u.tellings::jsonb, u.created_at
		FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::integer[], $7::integer[],
			$8::integer[], $9::integer[], $10::timestamptz[], $11::text[], $12::text[], $13::text[],
			$14::text[], $15::text[], $16::timestamptz[], $17::bigint[])
		AS u (id, trade_no, status, total, refunded, sequence, accepted, paid_sequence, evidences, updated_at,
			body, agenda, tellings, app_id, out_trade_no, created_at, position)`
	sqlImportEvents = `INSERT INTO {}.events (order_id, sequence, position, type, status, refunded, source, at, direct, evidence, public_id)
		SELECT u.id, u.sequence, u.position, u.type, u.status, u.refunded, u.source, u.at, u.direct, u.evidence, nullif(u.public_id, '')
		FROM unnest($1::bigint[], $2::integer[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::timestamptz[],
			$8::boolean[], $9::integer[], $10::bigint[], $11::text[])
		AS u (id, sequence, type, status, refunded, source, at, direct, evidence, position, public_id)`
	sqlImportEventIDs = `INSERT INTO {}.aliases (public_id, order_id, sequence)
		SELECT u.public_id, u.id, u.sequence FROM unnest($1::bigint[], $2::integer[], $3::text[]) AS u (id, sequence, public_id)
		WHERE u.public_id <> ''`
	// an older binary would tell of the events under other ids
	sqlImportOldest = `UPDATE {}.migrations SET oldest = 2 WHERE version = 2`
	sqlImportHeld   = `INSERT INTO {}.held AS h (digest, app_id, out_trade_no, reason, at, contradicts, waits,
			facts, raw, content_type, decision, pays, trade_no, position)
		SELECT u.digest, u.app_id, u.out_trade_no, u.reason, u.at, u.contradicts, u.waits,
			u.facts::jsonb, u.raw, u.content_type, u.decision::jsonb, u.pays, u.trade_no, u.position
		FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::boolean[], $7::boolean[],
			$8::text[], $9::bytea[], $10::text[], $11::text[], $12::bigint[], $13::text[], $14::bigint[])
		AS u (digest, app_id, out_trade_no, reason, at, contradicts, waits, facts, raw, content_type, decision, pays, trade_no, position)
		ON CONFLICT (digest) DO UPDATE SET decision = EXCLUDED.decision, waits = EXCLUDED.waits
		WHERE h.position = EXCLUDED.position`
	sqlImportSettings = `INSERT INTO {}.settings (name, value) SELECT u.name, u.value FROM unnest($1::text[], $2::bytea[]) AS u (name, value)
		ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value`
)
