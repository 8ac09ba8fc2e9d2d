package mysqlcluster

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestQuote(t *testing.T) {
	require.Equal(t, "`a``b`", Quote("a`b"))
}
