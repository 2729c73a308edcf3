// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

// positions locks the clock and gives a statement's rows their positions.
const positions = `WITH c AS (UPDATE {}.clock SET last = greatest(last, $1) + $2 RETURNING last - $2 AS base) `

// What is part of a transaction that writes.
const (
	sqlSettings = `SELECT set_config('statement_timeout', $1, true), set_config('lock_timeout', $2, true),
		set_config('idle_in_transaction_session_timeout', $3, true)`
	// what follows in the transaction may be lost in a crash of the server
	sqlForgetful  = `SELECT set_config('synchronous_commit', 'off', true)`
	sqlBegin      = `BEGIN`
	sqlLockOrders = `SELECT ` + orderColumns + `, o.tellings` + byKey + ` ORDER BY o.app_id, o.out_trade_no FOR UPDATE OF o`
	sqlHeldAbout  = `SELECT ` + heldColumns + ` FROM unnest($1::text[], $2::text[]) AS k (app_id, out_trade_no)
		JOIN {}.held h ON h.app_id = k.app_id AND h.out_trade_no = k.out_trade_no`
	sqlLockHeld = sqlHeldAbout + ` ORDER BY h.digest FOR UPDATE OF h`
	sqlOwners   = `SELECT o.app_id, o.trade_no, o.out_trade_no FROM unnest($1::text[], $2::text[]) AS k (app_id, trade_no)
		JOIN {}.orders o ON o.app_id = k.app_id AND o.trade_no = k.trade_no`
	sqlNumbers        = `SELECT nextval('{}.order_numbers') FROM generate_series(1, $1)`
	sqlMonth          = `SELECT {}.month($1)`
	sqlInsertEvidence = `INSERT INTO {}.evidence (order_id, number, facts, raw, content_type)
		SELECT u.id, u.number, u.facts::jsonb, u.raw, u.content_type
		FROM unnest($1::bigint[], $2::integer[], $3::text[], $4::bytea[], $5::text[])
		AS u (id, number, facts, raw, content_type)`
	sqlUpdateOrders = `UPDATE {}.orders o SET trade_no = nullif(u.trade_no, ''), status = u.status, total = u.total,
		refunded = u.refunded, sequence = u.sequence, accepted = u.accepted, paid_sequence = u.paid_sequence,
		evidences = u.evidences, updated_at = u.updated_at, body = u.body::jsonb, agenda = u.agenda::jsonb,
		tellings = u.tellings::jsonb
		FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::integer[], $7::integer[],
			$8::integer[], $9::integer[], $10::timestamptz[], $11::text[], $12::text[], $13::text[])
		AS u (id, trade_no, status, total, refunded, sequence, accepted, paid_sequence, evidences, updated_at,
			body, agenda, tellings)
		WHERE o.id = u.id`
	// of orders that have only got further with the shop, or in the agenda
	sqlAdvanceOrders = `UPDATE {}.orders o SET accepted = u.accepted, updated_at = u.updated_at, agenda = u.agenda::jsonb,
		tellings = u.tellings::jsonb
		FROM unnest($1::bigint[], $2::integer[], $3::timestamptz[], $4::text[], $5::text[])
		AS u (id, accepted, updated_at, agenda, tellings)
		WHERE o.id = u.id`
	sqlInsertOrders = positions + `INSERT INTO {}.orders (id, position, app_id, out_trade_no, trade_no, status, total, refunded,
			sequence, accepted, paid_sequence, evidences, updated_at, body, agenda, tellings, created_at)
		SELECT u.id, c.base + u.i, u.app_id, u.out_trade_no, nullif(u.trade_no, ''), u.status, u.total, u.refunded,
			u.sequence, u.accepted, u.paid_sequence, u.evidences, u.updated_at, u.body::jsonb, u.agenda::jsonb,
			u.tellings::jsonb, u.created_at
		FROM c, unnest($3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::integer[], $9::integer[],
			$10::integer[], $11::integer[], $12::timestamptz[], $13::text[], $14::text[], $15::text[],
			$16::text[], $17::text[], $18::timestamptz[]) WITH ORDINALITY
		AS u (id, trade_no, status, total, refunded, sequence, accepted, paid_sequence, evidences, updated_at,
			body, agenda, tellings, app_id, out_trade_no, created_at, i)`
	sqlInsertEvents = positions + `INSERT INTO {}.events (order_id, sequence, position, type, status, refunded, source, at, direct, evidence)
		SELECT u.id, u.sequence, c.base + u.i, u.type, u.status, u.refunded, u.source, u.at, u.direct, u.evidence
		FROM c, unnest($3::bigint[], $4::integer[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::timestamptz[],
			$10::boolean[], $11::integer[]) WITH ORDINALITY
		AS u (id, sequence, type, status, refunded, source, at, direct, evidence, i)`
	sqlUpsertAgenda = `INSERT INTO {}.agenda (task, order_id, subject, app_id, due_at)
		SELECT u.task, u.id, u.subject, u.app_id, u.due_at
		FROM unnest($1::text[], $2::bigint[], $3::text[], $4::timestamptz[], $5::text[]) AS u (task, id, subject, due_at, app_id)
		ORDER BY u.task, u.id
		ON CONFLICT (task, order_id) DO UPDATE SET subject = EXCLUDED.subject, due_at = EXCLUDED.due_at`
	sqlDeleteAgenda = `DELETE FROM {}.agenda a USING unnest($1::text[], $2::bigint[]) AS u (task, id)
		WHERE a.task = u.task AND a.order_id = u.id`
	sqlInsertHeld = positions + `INSERT INTO {}.held (position, digest, app_id, out_trade_no, trade_no, reason, at, contradicts, waits, pays,
			facts, raw, content_type, decision)
		SELECT c.base + u.i, u.digest, u.app_id, u.out_trade_no, u.trade_no, u.reason, u.at, u.contradicts, u.waits, u.pays,
			u.facts::jsonb, u.raw, u.content_type, u.decision::jsonb
		FROM c, unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::boolean[], $9::boolean[],
			$10::text[], $11::bytea[], $12::text[], $13::text[], $14::bigint[], $15::text[]) WITH ORDINALITY
		AS u (digest, app_id, out_trade_no, reason, at, contradicts, waits, facts, raw, content_type, decision, pays, trade_no, i)`
	sqlUpdateHeld = `UPDATE {}.held SET decision = $2::text::jsonb, waits = $3 WHERE digest = $1`
	sqlAddTotals  = `INSERT INTO {}.totals AS t (app_id, writer, paid, refunded, refunded_told, accepted)
		SELECT u.app_id, $2, u.paid, u.refunded, u.refunded_told, u.accepted
		FROM unnest($1::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
		AS u (app_id, paid, refunded, refunded_told, accepted) ORDER BY u.app_id
		ON CONFLICT (app_id, writer) DO UPDATE SET paid = t.paid + EXCLUDED.paid, refunded = t.refunded + EXCLUDED.refunded,
			refunded_told = t.refunded_told + EXCLUDED.refunded_told, accepted = t.accepted + EXCLUDED.accepted`
	sqlCommit   = `COMMIT`
	sqlLeaseOne = `INSERT INTO {}.leases AS l (task, order_id, owner, until) VALUES ($1, $2, $3, $4)
		ON CONFLICT (task, order_id) DO UPDATE SET owner = EXCLUDED.owner, until = EXCLUDED.until
		WHERE l.until <= $5 OR l.owner = EXCLUDED.owner`
	sqlRelease = `DELETE FROM {}.leases l USING {}.orders o
		WHERE o.app_id = $2 AND o.out_trade_no = $3 AND l.task = $1 AND l.order_id = o.id AND l.owner = $4`
	sqlUnlease       = `DELETE FROM {}.leases l WHERE l.task = $1 AND l.order_id = ANY($2) AND l.owner = $3`
	sqlInsertSetting = `INSERT INTO {}.settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`
	sqlUpdateSetting = `UPDATE {}.settings SET value = $2 WHERE name = $1 AND value = $3`
	sqlNotify        = `SELECT pg_notify($1, $2)`
)

// Leasing is for one app, or for all that share a site.
const (
	leaseHead = `WITH due AS (
			SELECT a.order_id, a.due_at FROM {}.agenda a
			WHERE a.task = $1 AND a.subject = $2`
	leaseTail = ` AND a.due_at <= $3
			AND NOT EXISTS (SELECT FROM {}.leases l WHERE l.task = a.task AND l.order_id = a.order_id AND l.until > $3)
			ORDER BY a.due_at, a.order_id LIMIT $4 FOR UPDATE OF a SKIP LOCKED),
		taken AS (
			INSERT INTO {}.leases AS l (task, order_id, owner, until)
			SELECT $1, due.order_id, $5, $6 FROM due ORDER BY due.order_id
			ON CONFLICT (task, order_id) DO UPDATE SET owner = EXCLUDED.owner, until = EXCLUDED.until WHERE l.until <= $3
			RETURNING l.order_id)
		SELECT t.order_id FROM taken t JOIN due d ON d.order_id = t.order_id ORDER BY d.due_at, d.order_id`

	nextHead = `SELECT min(n.at) FROM (
			(SELECT a.due_at AS at FROM {}.agenda a
			WHERE a.task = $1 AND a.subject = $2`
	nextMiddle = ` AND a.due_at IS NOT NULL
			AND NOT EXISTS (SELECT FROM {}.leases l WHERE l.task = a.task AND l.order_id = a.order_id AND l.until > $3)
			ORDER BY a.due_at LIMIT 1)
			UNION ALL
			(SELECT greatest(l.until, a.due_at) FROM {}.leases l JOIN {}.agenda a ON a.task = l.task AND a.order_id = l.order_id
			WHERE l.task = $1 AND a.subject = $2`
	nextTail = ` AND a.due_at IS NOT NULL AND l.until > $3
			AND NOT (l.owner = $4 AND l.until = $5))) n`

	sqlLeaseOfApp = leaseHead + ` AND a.app_id = $7` + leaseTail
	sqlLeaseOfAll = leaseHead + ` AND $7::text = ''` + leaseTail
	sqlNextOfApp  = nextHead + ` AND a.app_id = $6` + nextMiddle + ` AND a.app_id = $6` + nextTail
	sqlNextOfAll  = nextHead + ` AND $6::text = ''` + nextMiddle + nextTail
)
