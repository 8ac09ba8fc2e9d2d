package sqlledger

import (
	"errors"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
)

// What MySQL says of a value has the value in it, and an error's text goes into the log.
func TestDefinite_ShowsNoValue(t *testing.T) {
	for _, e := range []*mysql.MySQLError{
		{
			Number: 1062, SQLState: [5]byte([]byte("23000")),
			Message: "Duplicate entry 'Li Wei-T12-key' for key 'orders.orders_key'",
		},
		{
			Number: 1366, SQLState: [5]byte([]byte("HY000")),
			Message: `Incorrect string value: 'Li Wei' for column 'state_reason' at row 1`,
		},
		{Number: 1292, SQLState: [5]byte([]byte("22007")), Message: "Truncated incorrect DOUBLE value: 'Li Wei'"},
		{Number: 1265, SQLState: [5]byte([]byte("01000")), Message: "Data truncated for column 'Li Wei' at row 1"},
	} {
		err := definite(e)
		require.NotContains(t, err.Error(), "Li Wei", "%d", e.Number)
		var kept *mysql.MySQLError
		require.True(t, errors.As(err, &kept), "the kind of error is still there to find")
		require.Equal(t, e.Number, kept.Number)
	}
	require.ErrorContains(t, definite(&mysql.MySQLError{
		Number: 1146, SQLState: [5]byte([]byte("42S02")),
		Message: "Table 'x.y' doesn't exist",
	}), "x.y")
}
