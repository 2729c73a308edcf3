// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

const (
	orderColumns = `o.id, o.app_id, o.out_trade_no, coalesce(o.trade_no, ''), o.total, o.sequence, o.accepted,
		o.paid_sequence, o.evidences, o.created_at, o.updated_at, o.body, o.agenda`
	eventColumns = `e.sequence, e.type, e.status, e.refunded, e.source, e.at, e.direct, coalesce(e.public_id, '')`
	heldColumns  = `h.digest, h.position, h.reason, h.at, h.facts, h.raw, h.content_type, h.decision`

	// byKey looks up each key by one probe of an index.
	byKey = ` FROM unnest($1::text[], $2::text[]) AS k (app_id, out_trade_no)
		JOIN {}.orders o ON o.app_id = k.app_id AND o.out_trade_no = k.out_trade_no`

	// A listing by a filter that no index serves looks at $4 orders at most.
	scanHead = `WITH looked AS (
			SELECT l.id, l.position, l.app_id, l.status, l.created_at FROM {}.orders l
			WHERE l.position > $1 ORDER BY l.position LIMIT $4),
		found AS (
			SELECT l.id, l.position FROM looked l WHERE l.created_at >= $2 AND `
	scanTail = ` ORDER BY l.position LIMIT $3)
		SELECT ` + orderColumns + `, o.position FROM found f JOIN {}.orders o ON o.id = f.id ORDER BY f.position`
)

// What is read, by one statement each.
const (
	sqlOrder             = `SELECT ` + orderColumns + ` FROM {}.orders o WHERE o.app_id = $1 AND o.out_trade_no = $2`
	sqlOrderWithTellings = `SELECT ` + orderColumns + `, o.tellings FROM {}.orders o WHERE o.app_id = $1 AND o.out_trade_no = $2`
	sqlOrderByTradeNo    = `SELECT ` + orderColumns + ` FROM {}.orders o WHERE o.app_id = $1 AND o.trade_no = $2`
	sqlOrdersByKey       = `SELECT ` + orderColumns + byKey
	sqlOrdersByID        = `SELECT ` + orderColumns + ` FROM {}.orders o WHERE o.id = ANY($1)`
	sqlUndelivered       = `SELECT ` + eventColumns + `, v.raw, v.content_type
		FROM {}.events e LEFT JOIN {}.evidence v ON v.order_id = e.order_id AND v.number = e.evidence
		WHERE e.order_id = $1 AND e.sequence > $2 ORDER BY e.sequence LIMIT $3`
	sqlEvent = `SELECT ` + orderColumns + `, ` + eventColumns + `, v.raw, v.content_type
		FROM {}.events e JOIN {}.orders o ON o.id = e.order_id
		LEFT JOIN {}.evidence v ON v.order_id = e.order_id AND v.number = e.evidence
		WHERE e.order_id = $1 AND e.sequence = $2`
	sqlEventByID  = `SELECT order_id, sequence FROM {}.aliases WHERE public_id = $1`
	sqlEvidenceOf = `SELECT v.facts FROM {}.evidence v WHERE v.order_id = $1 ORDER BY v.number`
	sqlEventsOf   = `SELECT ` + eventColumns + `
		FROM {}.events e WHERE e.order_id = $1 ORDER BY e.sequence`
	sqlHeldOf    = `SELECT ` + heldColumns + ` FROM {}.held h WHERE h.app_id = $1 AND h.out_trade_no = $2 ORDER BY h.position`
	sqlOrdersAll = `SELECT ` + orderColumns + `, o.position FROM {}.orders o
		WHERE o.position > $1 AND o.created_at >= $2 ORDER BY o.position LIMIT $3`
	sqlOrdersOfAppInState = `SELECT ` + orderColumns + `, o.position FROM {}.orders o
		WHERE o.position > $1 AND o.created_at >= $2 AND o.app_id = $4 AND o.status = $5 ORDER BY o.position LIMIT $3`
	sqlOrdersOfApp   = scanHead + `l.app_id = $5` + scanTail
	sqlOrdersInState = scanHead + `l.status = $5` + scanTail
	sqlLooked        = `SELECT count(*), coalesce(max(l.position), 0)
		FROM (SELECT position FROM {}.orders WHERE position > $1 ORDER BY position LIMIT $2) l`
	sqlEvents = `SELECT o.app_id, o.out_trade_no, o.accepted, o.sequence, o.agenda, o.body -> 'contradicted' = 'true',
		e.order_id, ` + eventColumns + `
		FROM {}.events e JOIN {}.orders o ON o.id = e.order_id
		WHERE e.position > coalesce((SELECT f.position FROM {}.events f WHERE f.order_id = $1 AND f.sequence = $2), 0)
		ORDER BY e.position LIMIT $3`
	sqlHeld             = `SELECT ` + heldColumns + ` FROM {}.held h WHERE h.position > $1 ORDER BY h.position LIMIT $2`
	sqlHeldOfApp        = `SELECT ` + heldColumns + ` FROM {}.held h WHERE h.position > $1 AND h.app_id = $3 ORDER BY h.position LIMIT $2`
	sqlHeldWaiting      = `SELECT ` + heldColumns + ` FROM {}.held h WHERE h.position > $1 AND h.waits ORDER BY h.position LIMIT $2`
	sqlHeldWaitingOfApp = `SELECT ` + heldColumns + ` FROM {}.held h WHERE h.position > $1 AND h.waits AND h.app_id = $3 ORDER BY h.position LIMIT $2`
	sqlHeldItem         = `SELECT ` + heldColumns + ` FROM {}.held h WHERE h.digest = $1`
	sqlHeldKey          = `SELECT h.app_id, h.out_trade_no, h.trade_no FROM {}.held h WHERE h.digest = $1`
	sqlSetting          = `SELECT value FROM {}.settings WHERE name = $1`
	sqlTotals           = `SELECT coalesce(sum(t.paid), 0)::bigint, coalesce(sum(t.refunded), 0)::bigint,
		coalesce(sum(t.refunded_told), 0)::bigint, coalesce(sum(t.accepted), 0)::bigint
		FROM {}.totals t WHERE t.app_id = $1`
	// LATERAL and LIMIT have each order looked up by its key, however many others
	// there are.
	sqlUndeliveredTotals = `SELECT coalesce(sum(o.total) FILTER (WHERE o.accepted < o.paid_sequence), 0)::bigint,
			coalesce(sum(o.sequence - o.accepted), 0)::bigint,
			coalesce(sum(o.sequence - o.accepted) FILTER (WHERE a.due_at IS NULL AND o.body -> 'contradicted' IS NULL), 0)::bigint,
			min(e.at)
		FROM {}.agenda a
		JOIN LATERAL (SELECT * FROM {}.orders o WHERE o.id = a.order_id LIMIT 1) o ON true
		LEFT JOIN LATERAL (SELECT e.at FROM {}.events e WHERE e.order_id = o.id AND e.sequence = o.accepted + 1 LIMIT 1) e ON true
		WHERE a.task = 'tell' AND a.app_id = $1`
	// Alipay states a trade several times, but its buyer has paid once; what is an
	// order's own trade counts there.
	sqlHeldTotals = `SELECT count(*), min(h.at), coalesce((
			SELECT sum(p.pays) FROM (
				SELECT DISTINCT ON (d.trade_no) d.out_trade_no, d.trade_no, d.pays
				FROM {}.held d WHERE d.app_id = $1 AND d.waits AND d.pays > 0 ORDER BY d.trade_no, d.position) p
			WHERE NOT coalesce((SELECT o.trade_no = p.trade_no AND o.paid_sequence > 0 FROM {}.orders o
				WHERE o.app_id = $1 AND o.out_trade_no = p.out_trade_no), false)), 0)::bigint
		FROM {}.held h WHERE h.app_id = $1 AND h.waits`
	sqlUnknownTotals = `SELECT coalesce(sum(jsonb_array_length(jsonb_path_query_array(o.body, '$.intents[*] ? (@.outcome == "unknown")'))), 0)::bigint
		FROM {}.agenda a JOIN LATERAL (SELECT * FROM {}.orders o WHERE o.id = a.order_id LIMIT 1) o ON true
		WHERE a.task = 'refund' AND a.subject = $1 AND a.app_id = $1`
)
