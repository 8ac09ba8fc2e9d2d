package pause_test

import (
	"context"
	"errors"
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

func TestUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun, calls := time.Now(), 0
		third := func() (bool, error) { calls++; return calls == 3, nil }
		held, err := pause.Until(t.Context(), time.Minute, third)
		require.NoError(t, err)
		require.True(t, held)
		require.Equal(t, 2*time.Minute, time.Since(begun), "the first call comes at once")

		short, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		begun, calls = time.Now(), 3
		held, err = pause.Until(short, time.Minute, third)
		require.NoError(t, err)
		require.False(t, held)
		require.Equal(t, 90*time.Second, time.Since(begun), "the context does not wait for a turn")
		require.Equal(t, 5, calls)

		broken := errors.New("broken")
		held, err = pause.Until(t.Context(), time.Minute, func() (bool, error) { return false, broken })
		require.ErrorIs(t, err, broken)
		require.False(t, held)
	})
}
