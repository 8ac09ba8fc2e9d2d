package ledger

import (
	"context"
	"database/sql"
	"strings"
	"unicode/utf8"

	"interlock/services/rail"
)

// maxWho is how many characters of a publisher's name its column holds.
const maxWho = 128

// What was published, in the record.
const (
	didStations = "STATIONS"
	didPublish  = "PUBLISH"
	didSuspend  = "SUSPEND"
	didResume   = "RESUME"
	didWithdraw = "WITHDRAW"
)

// PublicationNumber rises with every publication.
func (l *Ledger) PublicationNumber(ctx context.Context) (int64, error) {
	var number int64
	err := queryRows(ctx, l.desk.sql, l.options.StatementTimeout, "SELECT value FROM counters WHERE name = 'publication'", nil,
		func(r *sql.Rows) error { return r.Scan(&number) })
	return number, definite(err)
}

// publisher is the pool that publishes.
func (l *Ledger) publisher() *pool {
	if l.dialect.flavor == SQLite {
		return l.sale // its one writer
	}
	return l.desk
}

// publishing begins a publication: it locks the publication number before anything else, so that no later number can
// become visible before this one, and answers the number this publication will have. A publication that changes nothing
// is rolled back, and its number is given to the next.
func (l *Ledger) publishing(ctx context.Context) (*transaction, int64, error) {
	t, err := l.write(ctx, l.publisher())
	if err != nil {
		return nil, 0, err
	}
	number, err := t.nextNumber(ctx)
	if err != nil {
		t.end()
		return nil, 0, definite(err)
	}
	return t, number, nil
}

func (t *transaction) nextNumber(ctx context.Context) (int64, error) {
	if _, err := t.exec(ctx, "UPDATE counters SET value = value + 1 WHERE name = 'publication'"); err != nil {
		return 0, err
	}
	if err := t.guard(ctx); err != nil {
		return 0, err
	}
	var number int64
	err := t.rows(ctx, "SELECT value FROM counters WHERE name = 'publication'", nil, func(r *sql.Rows) error { return r.Scan(&number) })
	return number, err
}

// publish records who did what, and commits.
func (t *transaction) publish(ctx context.Context, number int64, who, what, reason string, runs []rail.RunID) error {
	var list strings.Builder
	for _, id := range runs {
		list.WriteString(string(id))
		list.WriteByte('\n')
	}
	_, err := t.exec(ctx, "INSERT INTO publications (number, at, who, what, reason, runs) VALUES (?, "+t.p.dialect.now()+", ?, ?, ?, ?)",
		number, clip(who, maxWho), what, clip(reason, maxReason), []byte(list.String()))
	if err != nil {
		return definite(err)
	}
	return t.commit(ctx)
}

// clip makes text fit its column, whatever it is made of: what is only said to people must not make a write fail.
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
