package ticketcode

import (
	"bytes"
	"image"
	"image/color"
	_ "image/png"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/aztec/decoder"
	"github.com/makiuchi-d/gozxing/aztec/detector"
	"github.com/stretchr/testify/require"
)

// scan reads a symbol with a decoder that is not ours. It does not take a mirrored one.
func scan(t *testing.T, symbol image.Image) string {
	t.Helper()
	bitmap, err := gozxing.NewBinaryBitmapFromImage(symbol)
	require.NoError(t, err)
	matrix, err := bitmap.GetBlackMatrix()
	require.NoError(t, err)
	found, err := detector.NewDetector(matrix).Detect(false)
	require.NoError(t, err)
	read, err := decoder.NewDecoder().Decode(found)
	require.NoError(t, err)
	return read.GetText()
}

// The sizes are those that docs/decisions/0078 tells.
func TestImage_IsReadByAnotherDecoder(t *testing.T) {
	signer, keys := NewSigner(testKey(1)), keysOf(t, testKey(1))
	for _, c := range []struct {
		name                    string
		ticket                  Ticket
		bytes, letters, modules int
	}{
		{"smallest", smallestTicket(), 91, 154, 41},
		{"usual", usualTicket(), 127, 215, 45},
		{"largest", largestTicket(), 857, 1_457, 109},
	} {
		t.Run(c.name, func(t *testing.T) {
			code := signOf(t, signer, c.ticket)
			content, err := read(code)
			require.NoError(t, err)
			symbol, err := Image(code)
			require.NoError(t, err)
			require.Equal(t, []int{c.bytes, c.letters, c.modules},
				[]int{len(content), len(code), symbol.Bounds().Dx() - 2*quietZone})

			for _, scale := range []int{2, 4, MaxScale} {
				file, err := PNG(strings.ToLower(code[:9])+" "+strings.ToLower(code[9:]), scale)
				require.NoError(t, err)
				drawn, _, err := image.Decode(bytes.NewReader(file))
				require.NoError(t, err)
				require.Equal(t, code, scan(t, drawn), "what is drawn is the one form of the code")
				requireScaled(t, symbol, drawn, scale)
			}
			ticket, err := keys.Check(code)
			require.NoError(t, err)
			require.Equal(t, c.ticket, ticket)
		})
	}
}

// requireScaled says that an image is another one with scale² pixels for each of its.
func requireScaled(t *testing.T, small, large image.Image, scale int) {
	t.Helper()
	side := small.Bounds().Dx()
	require.Equal(t, image.Rect(0, 0, side*scale, side*scale), large.Bounds())
	for y := range side * scale {
		for x := range side * scale {
			if color.GrayModel.Convert(large.At(x, y)) != color.GrayModel.Convert(small.At(x/scale, y/scale)) {
				require.FailNow(t, "another pixel", "%d, %d", x, y)
			}
		}
	}
	for i := range side * scale { // The margin is white on all sides.
		for j := range quietZone * scale {
			for _, at := range []image.Point{{i, j}, {j, i}, {i, side*scale - 1 - j}, {side*scale - 1 - j, i}} {
				require.Equal(t, color.Gray{Y: 0xff}, color.GrayModel.Convert(large.At(at.X, at.Y)))
			}
		}
	}
}

func TestImage_Refuses(t *testing.T) {
	for _, code := range []string{"", "1", "A", strings.Repeat("B", maxLetters+1)} {
		_, err := Image(code)
		require.ErrorIs(t, err, ErrMalformed)
		_, err = PNG(code, 1)
		require.ErrorIs(t, err, ErrMalformed)
	}
	for _, scale := range []int{-1, 0, MaxScale + 1} {
		_, err := PNG("B", scale)
		require.ErrorContains(t, err, "1 to 16")
	}
}
