package gtfs_test

import (
	"bytes"
	"encoding/csv"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"interlock/services/publish/gtfs"
)

func TestRecords(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		rows   [][]string
		lines  []int
		faults []string
	}{
		"nothing":             {"", nil, nil, nil},
		"empty lines":         {"\n\r\n\n", nil, nil, nil},
		"no break at the end": {"a,b\nc,d", [][]string{{"a", "b"}, {"c", "d"}}, []int{1, 2}, []string{"", ""}},
		"returns":             {"a,b\r\n\r\nc,\r\n", [][]string{{"a", "b"}, {"c", ""}}, []int{1, 3}, []string{"", ""}},
		"quotes":              {`"a","b ""c""",d"e,""` + "\n", [][]string{{"a", `b "c"`, `d"e`, ""}}, []int{1}, []string{""}},
		"spaces around quotes": {
			`"a" , "b,c"` + "\t,  \"d\"  \r\n", [][]string{{"a", "b,c", "d"}}, []int{1}, []string{""},
		},
		"lines in quotes": {
			"\"a\r\n\nb\",c\n\"d\n\"\ne", [][]string{{"a\r\n\nb", "c"}, {"d\n"}, {"e"}}, []int{1, 4, 6}, []string{"", "", ""},
		},
		"quotes that end in quotes": {`"a""` + "\n" + `""",b` + "\n", [][]string{{"a\"\n\"", "b"}}, []int{1}, []string{""}},
		"not closed": {
			"a,\"b\nc,d\ne\n",
			[][]string{{"a", "b"}, {"c", "d"}, {"e"}},
			[]int{1, 2, 3},
			[]string{"a quote is not closed", "", ""},
		},
		"not closed at the end": {"a,\"b", [][]string{{"a", "b"}}, []int{1}, []string{"a quote is not closed"}},
		"closed by another row": {
			"a,\"b\nc,\"d\"\ne\n",
			[][]string{{"a", "b"}, {"c", "d"}, {"e"}},
			[]int{1, 2, 3},
			[]string{"text follows a closing quote", "", ""},
		},
		"text behind": {
			"\"a\"b,c\nd\n", [][]string{{`a"b`, "c"}, {"d"}}, []int{1, 2}, []string{"text follows a closing quote", ""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, r := range []io.Reader{
				strings.NewReader(c.text), iotest.OneByteReader(strings.NewReader(c.text)),
				iotest.DataErrReader(strings.NewReader(c.text)),
			} {
				rows, lines, faults, err := gtfs.ReadRecords(r)
				require.NoError(t, err)
				require.Equal(t, c.rows, rows)
				require.Equal(t, c.lines, lines)
				require.Equal(t, c.faults, faults)
			}
		})
	}
}

// What Go's own writer has written reads the same, however the file comes in pieces.
func TestRecords_AsGoWritesThem(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"a", "é", `"`, ",", "\n", " x", "\r\n", strings.Repeat("long", 500), ""}
	var want [][]string
	var text bytes.Buffer
	writer := csv.NewWriter(&text)
	for range 3_000 {
		row := make([]string, 2+random.IntN(5))
		for i := range row {
			row[i] = "."
			for range random.IntN(4) {
				row[i] += pieces[random.IntN(len(pieces))]
			}
			row[i] += "."
		}
		want = append(want, row)
		require.NoError(t, writer.Write(row))
	}
	writer.Flush()
	for _, r := range []io.Reader{bytes.NewReader(text.Bytes()), iotest.HalfReader(bytes.NewReader(text.Bytes()))} {
		rows, lines, faults, err := gtfs.ReadRecords(r)
		require.NoError(t, err)
		require.Equal(t, want, rows)
		require.Empty(t, strings.Join(faults, ""))
		line := 1
		for i, row := range rows {
			require.Equal(t, line, lines[i])
			line += 1 + strings.Count(strings.Join(row, ""), "\n")
		}
	}
}

func TestRecords_AnErrorOfTheFile(t *testing.T) {
	rows, _, _, err := gtfs.ReadRecords(io.MultiReader(strings.NewReader("a,b\nc"), iotest.ErrReader(io.ErrUnexpectedEOF)))
	require.Equal(t, [][]string{{"a", "b"}}, rows)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}
