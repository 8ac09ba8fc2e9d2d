package scalars_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/resolvers/scalars"
)

func TestDateTime(t *testing.T) {
	noon := time.Date(2019, 10, 12, 9, 0, 0, 500_000_000, time.FixedZone("", 8*3600))
	var out bytes.Buffer
	scalars.MarshalDateTime(noon).MarshalGQL(&out)
	require.Equal(t, `"2019-10-12T09:00:00.5+08:00"`, out.String())
	for _, text := range []string{
		"2019-10-12T09:00:00.5+08:00", "2019-10-12T01:00:00.500Z", "2019-10-12t01:00:00.500000000z",
	} {
		read, err := scalars.UnmarshalDateTime(text)
		require.NoError(t, err)
		require.True(t, noon.Equal(read))
	}
	for _, bad := range []any{
		"", "2019-10-12", "2019-10-12 09:00:00", "2019-10-12T09:00:00", "2019-10-12T9:00:00Z", "2019-10-12T09:00:00,5Z",
		"2019-10-12T24:00:00Z", "2019-02-30T09:00:00Z", "2019-10-12T09:00:00+25:00", "2019-10-12T09:00:00+08:60",
		"2019-10-12T09:00:00Z\n", "2019-10-12T09:00:00.1234567890Z", "2019-10-12T09:00:00.Z", "now", int64(5), 5.5, true, nil,
		[]any{},
	} {
		_, err := scalars.UnmarshalDateTime(bad)
		require.ErrorContains(t, err, "RFC 3339", "%v", bad)
	}
}
