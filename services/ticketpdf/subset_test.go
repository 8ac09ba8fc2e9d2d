package ticketpdf

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/image/font/sfnt"
)

func fontsOfThisMachine(t *testing.T) []*font {
	t.Helper()
	p, err := New("")
	require.NoError(t, err)
	if len(p.fonts) == 0 {
		t.Skip("there is no font")
	}
	return p.fonts
}

// TestSubset has each character drawn as before, also one that is made of others, and no other character.
func TestSubset(t *testing.T) {
	for _, f := range fontsOfThisMachine(t) {
		characters := map[rune]bool{}
		for _, r := range "0AgÅǺŽяΩ王秀英车" {
			if f.has(r) {
				characters[r] = true
			}
		}
		cut, err := f.subset(characters)
		require.NoError(t, err)
		require.Less(t, len(cut), 120_000)
		read, err := sfnt.Parse(cut)
		require.NoError(t, err)
		var b sfnt.Buffer
		for r := range characters {
			was, err := f.glyph.GlyphIndex(&b, r)
			require.NoError(t, err)
			is, err := read.GlyphIndex(&b, r)
			require.NoError(t, err)
			require.NotZero(t, is, "%c", r)
			old, err := f.glyph.LoadGlyph(&b, was, 1<<10, nil)
			require.NoError(t, err)
			old = append(sfnt.Segments(nil), old...)
			new, err := read.LoadGlyph(&b, is, 1<<10, nil)
			require.NoError(t, err)
			require.Equal(t, old, append(sfnt.Segments(nil), new...), "%c", r)
			oldWidth, err := f.glyph.GlyphAdvance(&b, was, 1<<10, 0)
			require.NoError(t, err)
			newWidth, err := read.GlyphAdvance(&b, is, 1<<10, 0)
			require.NoError(t, err)
			require.Equal(t, oldWidth, newWidth, "%c", r)
		}
		none, err := read.GlyphIndex(&b, 'Q')
		require.NoError(t, err)
		require.Zero(t, none)
	}
}

// TestSubset_Damaged cuts fonts whose tables, numbers and outlines are damaged: an error, or a font, and never a panic.
func TestSubset_Damaged(t *testing.T) {
	f := fontsOfThisMachine(t)[0]
	characters := map[rune]bool{'0': true, '1': true}
	for r := range map[rune]bool{'王': true, 'Ž': true} {
		if f.has(r) {
			characters[r] = true
		}
	}
	all, err := tablesOf(f.bytes)
	require.NoError(t, err)
	for tag := range all {
		without := *f
		without.bytes = bytes.Replace(f.bytes, []byte(tag), []byte("none"), 1)
		_, err := without.subset(characters)
		switch tag {
		case "head", "hhea", "maxp", "post", "glyf", "loca", "hmtx", "name", "OS/2":
			require.Error(t, err, tag)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	tags := []string{"head", "hhea", "maxp", "loca", "glyf", "hmtx", "post"}
	refused := 0
	for range 300 {
		damaged := *f
		damaged.bytes = bytes.Clone(f.bytes)
		if random.IntN(4) == 0 {
			damaged.bytes = damaged.bytes[:random.IntN(len(damaged.bytes))]
		} else {
			whole, err := tablesOf(damaged.bytes)
			require.NoError(t, err)
			table := whole[tags[random.IntN(len(tags))]]
			for range 1 + random.IntN(200) {
				if at := random.IntN(len(table)); at+2 <= len(table) {
					binary.BigEndian.PutUint16(table[at:], uint16(random.Uint32()))
				}
			}
			if random.IntN(3) == 0 { // where a font has two bytes for an offset it now has four, or the other way round
				whole["head"][locaFormatAt+1] ^= 1
			}
		}
		if _, err := damaged.subset(characters); err != nil {
			refused++
		}
	}
	require.Positive(t, refused)
}
