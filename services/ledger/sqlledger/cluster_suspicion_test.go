package sqlledger

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
)

// TestSuspicionOf is the table of what an error says of the primary that it came from.
func TestSuspicionOf(t *testing.T) {
	answer := func(number uint16) error { return &mysql.MySQLError{Number: number} }
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	for name, c := range map[string]struct {
		err  error
		want suspicion
	}{
		"no error":                       {nil, unsuspected},
		"a row that is not there":        {sql.ErrNoRows, unsuspected},
		"a lock was waited for too long": {answer(1205), unsuspected},
		"a key is there already":         {answer(1062), unsuspected},
		"too many connections":           {answer(1040), unsuspected},
		"read-only, by its option":       {answer(1290), deposed},
		"read-only, the transaction":     {answer(1792), deposed},
		"read-only, by its mode":         {answer(1836), deposed},
		"it shuts down":                  {answer(1053), deposed},
		"it is offline":                  {answer(3032), deposed},
		"nothing listens there":          {dial(errors.New("connection refused")), deposed},
		"a dial that took too long":      {dial(context.DeadlineExceeded), suspected},
		"a connection that broke":        {mysql.ErrInvalidConn, suspected},
		"a connection that was closed":   {io.ErrUnexpectedEOF, suspected},
		"an answer that did not come":    {context.DeadlineExceeded, suspected},
		"an OK that proves nothing":      {errUnacknowledged, suspected},
	} {
		require.Equal(t, c.want, suspicionOf(c.err), name)
	}
}
