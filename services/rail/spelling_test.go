package rail_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/rail"
)

func TestSameSpelling(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"Alpha", "Alpha", true},
		{"Alpha", "ALPHA ", true},
		{"Alpha", "Omega", false},
		{"Alpha", "Alpha West", false},
		{"Zürich HB", "Zuerich Hb.", true},
		{"Zürich HB", "Zurich-HB", true},
		{"Zuerich", "Zurich", false},
		{"Łódź", "Lodz", true},
		{"北京南", "北京南", true},
		{"北京南", "北京", false},
		{"—", "—", true},
		{"—", "…", false},
		{"—", "Alpha", false},
	} {
		require.Equal(t, c.same, rail.SameSpelling(c.a, c.b), "%s and %s", c.a, c.b)
		require.Equal(t, c.same, rail.SameSpelling(c.b, c.a), "%s and %s", c.b, c.a)
	}
}
