package sqlledger

import (
	"context"
	"database/sql"
	"strings"
	"time"
	"unicode/utf8"

	"interlock/services/mysqlcluster"
	"interlock/services/rail"
)

// maxWho is how many characters of a publisher's name its column holds.
const maxWho = 128

// PublicationNumber rises with every publication.
func (l *Ledger) PublicationNumber(ctx context.Context) (int64, error) {
	p, err := l.primary()
	if err != nil {
		return 0, err
	}
	var number int64
	err = mysqlcluster.EachRow(ctx, p.background.sql, l.options.StatementTimeout,
		"SELECT value FROM counters WHERE name = 'publication'", nil,
		func(r *sql.Rows) error { return r.Scan(&number) })
	return number, l.failed(p, err)
}

// publication is one entry in the record of publications.
type publication struct {
	number int64
	// at is when it was made, by the primary's clock.
	at time.Time
}

// publishing begins a publication: it locks the publication number before anything else, so that no later number can
// become visible before this one, and answers the number this publication will have. A publication that changes nothing
// is rolled back, and its number is given to the next.
func (l *Ledger) publishing(ctx context.Context) (*transaction, publication, error) {
	p, err := l.primary()
	if err != nil {
		return nil, publication{}, err
	}
	t, err := l.write(ctx, p.publisher())
	if err != nil {
		return nil, publication{}, err
	}
	next, err := t.nextPublication(ctx)
	if err != nil {
		t.end()
		return nil, publication{}, definite(err)
	}
	return t, next, nil
}

func (t *transaction) nextPublication(ctx context.Context) (p publication, err error) {
	if _, err := t.exec(ctx, "UPDATE counters SET value = value + 1 WHERE name = 'publication'"); err != nil {
		return p, err
	}
	if err := t.checkPrimary(ctx); err != nil {
		return p, err
	}
	var now int64
	err = t.rows(ctx, "SELECT value, "+t.pool.dialect.now()+" FROM counters WHERE name = 'publication'", nil,
		func(r *sql.Rows) error {
			return r.Scan(&p.number, &now)
		})
	p.at = fromMillis(now)
	return p, err
}

// publish records what an admin did, and commits.
func (t *transaction) publish(ctx context.Context, p publication, who, what, reason string, runs []rail.RunID) error {
	var list strings.Builder
	for _, id := range runs {
		list.WriteString(string(id))
		list.WriteByte('\n')
	}
	_, err := t.exec(ctx, "INSERT INTO publications (number, at, who, what, reason, runs) VALUES (?, ?, ?, ?, ?, ?)",
		p.number, p.at.UnixMilli(), clip(who, maxWho), what, clip(reason, rail.MaxReason), []byte(list.String()))
	if err != nil {
		return definite(err)
	}
	return t.commit(ctx)
}

// clip makes text fit its column. Text that only people read must not make a write fail.
func clip(text string, characters int) string {
	text = strings.ToValidUTF8(text, string(utf8.RuneError))
	count := 0
	for i := range text {
		if count++; count > characters {
			return text[:i]
		}
	}
	return text
}
