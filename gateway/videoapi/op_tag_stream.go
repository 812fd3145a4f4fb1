package videoapi

import (
	"context"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"headgate/gateway/awsapi"
)

// TagStream, UntagStream and ListTagsForStream keep names and values with a
// stream, at most 50.
//
// ResourceNotFoundException, TagsPerResourceExceededLimitException,
// InvalidArgumentException.

const maxTags = 50

func tagsField(name string, rules ...awsapi.Rule) awsapi.Field {
	return awsapi.Field{Name: name, Type: awsapi.Map, Rules: append(rules, awsapi.Longest(maxTags)), Of: &awsapi.Field{Type: awsapi.String}}
}

func tagStreamInput() []awsapi.Field {
	return []awsapi.Field{tagsField("Tags", awsapi.NotNull()), streamARN(), streamName()}
}

func untagStreamInput() []awsapi.Field {
	return []awsapi.Field{
		{Name: "TagKeyList", Type: awsapi.List, Rules: []awsapi.Rule{awsapi.NotNull(), awsapi.Shortest(1), awsapi.Longest(maxTags)}, Of: &awsapi.Field{Type: awsapi.String}},
		streamARN(), streamName(),
	}
}

func listTagsInput() []awsapi.Field { return []awsapi.Field{nextToken(), streamARN(), streamName()} }

// tagsOf reads tags.
func tagsOf(given map[string]any) (map[string]string, error) {
	tags := map[string]string{}
	for name, value := range given {
		text, ok := value.(string)
		if !ok || name == "" || len(name) > 128 || len(text) > 256 || strings.ContainsFunc(name, forbidden) {
			return nil, invalid("Tags have names of 1 to 128 letters, digits, spaces and _.:/=+-@, and values of at most 256 characters.")
		}
		tags[name] = text
	}
	return tags, nil
}

// forbidden reports whether a tag's name may not have the character.
func forbidden(r rune) bool {
	return r == utf8.RuneError || !unicode.IsLetter(r) && !unicode.IsNumber(r) && r != ' ' && !strings.ContainsRune("_.:/=+-@", r)
}

func (a *API) tagStream(ctx context.Context, c *awsapi.Call) error {
	tags, err := tagsOf(c.In.Map("Tags"))
	if err != nil {
		return err
	}
	s, err := a.findIn(c.In)
	if err != nil {
		return err
	}
	return a.change(ctx, s, func(i *info) error {
		if i.Tags == nil {
			i.Tags = map[string]string{}
		}
		maps.Copy(i.Tags, tags)
		if len(i.Tags) > maxTags {
			return awsapi.Fail(tooManyTags, "A stream has at most %d tags.", maxTags)
		}
		return nil
	})
}

func (a *API) untagStream(ctx context.Context, c *awsapi.Call) error {
	s, err := a.findIn(c.In)
	if err != nil {
		return err
	}
	return a.change(ctx, s, func(i *info) error {
		for _, name := range c.In.List("TagKeyList") {
			if text, ok := name.(string); ok {
				delete(i.Tags, text)
			}
		}
		return nil
	})
}

func (a *API) listTags(ctx context.Context, c *awsapi.Call) error {
	s, err := a.findIn(c.In)
	if err != nil {
		return err
	}
	i, _, err := a.info(ctx, s)
	if err != nil {
		return err
	}
	c.Out.Open("")
	c.Out.Open("Tags")
	for _, name := range slices.Sorted(maps.Keys(i.Tags)) {
		c.Out.Text(name, i.Tags[name])
	}
	c.Out.Close()
	c.Out.Close()
	return nil
}
