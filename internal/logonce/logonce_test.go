package logonce_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/internal/logonce"
)

func TestFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := slog.New(slog.NewTextHandler(&out, nil))
		broken := errors.New("broken")
		said := func(level, text string) {
			t.Helper()
			require.Equal(t, 1, strings.Count(out.String(), "\n"), "%s", &out)
			require.Contains(t, out.String(), "level="+level)
			require.Contains(t, out.String(), text)
			out.Reset()
		}

		f := logonce.Error("it fails", "it works again")
		f.Note(t.Context(), log, nil)
		require.Zero(t, out.Len(), "nothing has failed")
		f.Note(t.Context(), log, broken, "try", 1)
		said("ERROR", `msg="it fails" try=1 error=broken`)
		f.Note(t.Context(), log, broken)
		require.Zero(t, out.Len(), "it is known")
		require.True(t, f.Failing())
		f.Note(t.Context(), log, nil, "try", 3)
		said("INFO", `msg="it works again" try=3`)
		require.False(t, f.Failing())

		f = logonce.Warn("it fails", "it works again")
		f.Calm = time.Minute
		f.Note(t.Context(), log, broken)
		said("WARN", "error=broken")
		for range 3 { // every other try fails
			<-time.After(59 * time.Second)
			f.Note(t.Context(), log, nil)
			f.Note(t.Context(), log, broken)
		}
		require.Zero(t, out.Len(), "one failure")
		<-time.After(time.Minute)
		f.Note(t.Context(), log, nil)
		said("INFO", "works again")
	})
}
