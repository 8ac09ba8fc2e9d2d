package failover

import (
	"context"
	"database/sql"
	"strings"
)

// contains tells whether a GTID set has all of another.
func contains(ctx context.Context, on *session, set, part string) (bool, error) {
	var has sql.NullBool
	err := on.one(ctx, lookTimeout, "SELECT GTID_SUBSET(?, ?)", []any{part, set}, &has)
	return has.Bool, err
}

// beyond is what a GTID set has that another has not.
func beyond(ctx context.Context, on *session, set, other string) (string, error) {
	var rest string
	err := on.one(ctx, lookTimeout, "SELECT GTID_SUBTRACT(?, ?)", []any{set, other}, &rest)
	return oneLine(rest), err
}

// union is a GTID set with the transactions of both.
func union(a, b string) string { return strings.Trim(a+","+b, ",") }

// oneLine takes the line breaks out of a GTID set.
func oneLine(set string) string { return strings.ReplaceAll(set, "\n", "") }

// maxGTID is the largest number a transaction can have.
const maxGTID = "9223372036854775806"
