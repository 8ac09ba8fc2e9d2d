package mysqlcluster

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"

	"github.com/go-sql-driver/mysql"

	"interlock/services/rail"
)

// WithoutDatabase is a configuration that chooses no database: there may be none yet.
func WithoutDatabase(c *mysql.Config) *mysql.Config {
	c = c.Clone()
	c.DBName = ""
	return c
}

// Connector makes connections whose text is read in the one way. It asks each new connection how it reads text, which
// costs a round trip for a connection and none for a statement. problem says what is wrong with the answer; "" for
// nothing. Connect then fails with UNAVAILABLE and those words, which name no address.
func Connector(c *mysql.Config, problem func(*Text) string) (driver.Connector, error) {
	c = c.Clone()
	c.Params = maps.Clone(c.Params)
	if c.Params == nil {
		c.Params = map[string]string{}
	}
	maps.Copy(c.Params, session)
	inner, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	return connector{inner, c, problem}, nil
}

type connector struct {
	driver.Connector
	config  *mysql.Config
	problem func(*Text) string
}

// Connect implements driver.Connector.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if c.config.Timeout > 0 { // a server may stop answering between one word and the next
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.config.Timeout)
		defer cancel()
	}
	text, err := read(ctx, conn)
	if err == nil {
		if problem := c.problem(text); problem != "" {
			err = rail.Refuse(rail.Unavailable, "%s", problem)
		}
	}
	if err != nil {
		_ = conn.Close() // why it is given up is told already
		return nil, err
	}
	return conn, nil
}

// read asks a connection how it reads text.
func read(ctx context.Context, conn driver.Conn) (_ *Text, err error) {
	asking, ok := conn.(driver.QueryerContext)
	if !ok {
		return nil, fmt.Errorf("a %T cannot be asked", conn)
	}
	rows, err := asking.QueryContext(ctx, TextQuery, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var text Text
	fields := text.Fields()
	row := make([]driver.Value, len(fields))
	if err := rows.Next(row); err != nil {
		return nil, err
	}
	for i, value := range row {
		word, ok := value.([]byte)
		if !ok {
			return nil, fmt.Errorf("column %d of how text is read is a %T", i+1, value)
		}
		*fields[i].(*string) = string(word)
	}
	return &text, nil
}
