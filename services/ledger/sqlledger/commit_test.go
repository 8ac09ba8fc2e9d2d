package sqlledger

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
)

// TestOutcomeOf is the table of what an answer to COMMIT proves. An error that is not in it is in doubt.
func TestOutcomeOf(t *testing.T) {
	answer := func(number uint16, state string) error {
		e := &mysql.MySQLError{Number: number, Message: "an answer"}
		copy(e.SQLState[:], state)
		return fmt.Errorf("wrapped: %w", e)
	}
	for name, c := range map[string]struct {
		err error
		// alone is the outcome of a COMMIT that comes by itself, after of one behind statements that write.
		alone, after outcome
	}{
		"the server said OK":                         {nil, committed, committed},
		"the answer did not come in time":            {context.DeadlineExceeded, inDoubt, inDoubt},
		"the connection broke":                       {mysql.ErrInvalidConn, inDoubt, inDoubt},
		"the connection was broken before":           {driver.ErrBadConn, inDoubt, inDoubt},
		"the answer was cut":                         {io.ErrUnexpectedEOF, inDoubt, inDoubt},
		"the OK was perhaps no replica's":            {errUnacknowledged, inDoubt, inDoubt},
		"something that nobody knows":                {errors.New("?"), inDoubt, inDoubt},
		"the server shuts down (1053)":               {answer(1053, "08S01"), inDoubt, inDoubt},
		"the wait for a replica was killed (1317)":   {answer(1317, "70100"), inDoubt, inDoubt},
		"the session was killed (1927)":              {answer(1927, "70100"), inDoubt, inDoubt},
		"what is asked behind is forbidden (1142)":   {answer(1142, "42000"), inDoubt, inDoubt},
		"a row was changed (1020)":                   {answer(1020, "HY000"), refused, refused},
		"a lock was waited for too long (1205)":      {answer(1205, "HY000"), refused, refused},
		"a deadlock (1213)":                          {answer(1213, "40001"), refused, refused},
		"the server is read-only (1290)":             {answer(1290, "HY000"), refused, refused},
		"the commit was rolled back (3101)":          {answer(3101, "40000"), refused, refused},
		"another batch was faster: NULL (1048)":      {answer(1048, "23000"), inDoubt, refused},
		"a key is there already (1062)":              {answer(1062, "23000"), inDoubt, refused},
		"a text is too long for its column (1406)":   {answer(1406, "22001"), inDoubt, refused},
		"a value does not fit (1366)":                {answer(1366, "HY000"), inDoubt, refused},
		"the transaction is read-only (1792)":        {answer(1792, "25006"), inDoubt, refused},
		"there is no such table (1146), perhaps any": {answer(1146, "42S02"), inDoubt, inDoubt},
	} {
		require.Equal(t, c.alone, outcomeOf(c.err, false), name)
		require.Equal(t, c.after, outcomeOf(c.err, true), name)
	}
}
