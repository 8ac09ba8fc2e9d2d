package pause_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/internal/pause"
)

func TestFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		require.True(t, pause.For(t.Context(), time.Hour))
		require.Equal(t, time.Hour, time.Since(begun))

		short, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begun = time.Now()
		require.False(t, pause.For(short, time.Hour))
		require.Equal(t, time.Minute, time.Since(begun))
		require.False(t, pause.For(short, 0))

		begun = time.Now()
		require.True(t, pause.For(t.Context(), -time.Second))
		require.Zero(t, time.Since(begun))
	})
}
