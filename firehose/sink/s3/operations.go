package s3

import (
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// part is one part of a multipart upload.
type part struct {
	PartNumber    int32
	ETag          string
	ChecksumCRC32 string `xml:",omitempty"`
	Size          int64  `xml:",omitempty"`
}

func (c *client) headBucket(ctx context.Context) error {
	_, _, err := c.do(ctx, request{method: http.MethodHead})
	return err
}

// headObject answers the metadata of an object.
func (c *client) headObject(ctx context.Context, key string) (http.Header, error) {
	header, _, err := c.do(ctx, request{method: http.MethodHead, key: key})
	return header, err
}

// described are the headers of an object that is new.
func described(meta map[string]string) http.Header {
	h := http.Header{}
	for name, value := range meta {
		h.Set("X-Amz-Meta-"+name, value)
	}
	return h
}

func (c *client) putObject(ctx context.Context, key string, meta map[string]string, body []byte) error {
	h := described(meta)
	h.Set("If-None-Match", "*")
	h.Set("Content-Type", "application/octet-stream")
	_, _, err := c.do(ctx, request{method: http.MethodPut, key: key, header: h, body: body, checked: true})
	return err
}

// createUpload answers the id of a multipart upload.
func (c *client) createUpload(ctx context.Context, key string, meta map[string]string) (string, error) {
	h := described(meta)
	h.Set("X-Amz-Checksum-Algorithm", "CRC32")
	h.Set("Content-Type", "application/octet-stream")
	_, text, err := c.do(ctx, request{method: http.MethodPost, key: key, query: url.Values{"uploads": {""}}, header: h})
	if err != nil {
		return "", err
	}
	var answer struct{ UploadId string }
	if err := read(text, &answer); err != nil {
		return "", err
	}
	return answer.UploadId, nil
}

func (c *client) uploadPart(ctx context.Context, key, id string, number int32, body []byte) (part, error) {
	query := url.Values{"partNumber": {strconv.Itoa(int(number))}, "uploadId": {id}}
	h, _, err := c.do(ctx, request{method: http.MethodPut, key: key, query: query, body: body, checked: true})
	return part{PartNumber: number, ETag: h.Get("ETag"), ChecksumCRC32: h.Get("X-Amz-Checksum-Crc32")}, err
}

// completeUpload makes an object of its parts. The service may begin to answer
// 200 before it knows how that ends, and put an error into the body.
func (c *client) completeUpload(ctx context.Context, key, id string, parts []part) error {
	document := struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CompleteMultipartUpload"`
		Part    []part
	}{}
	for _, p := range parts {
		p.Size = 0
		document.Part = append(document.Part, p)
	}
	body, err := xml.Marshal(document)
	if err != nil {
		return fmt.Errorf("write request: %w", err)
	}
	h := http.Header{"If-None-Match": {"*"}, "Content-Type": {"application/xml"}}
	_, text, err := c.do(ctx, request{method: http.MethodPost, key: key, query: url.Values{"uploadId": {id}}, header: h, body: body})
	if err != nil {
		return err
	}
	var late refusal
	if xml.Unmarshal(text, &late) == nil {
		return &failure{status: http.StatusInternalServerError, code: late.Code, message: late.Message}
	}
	return nil
}

func (c *client) abortUpload(ctx context.Context, key, id string) error {
	_, _, err := c.do(ctx, request{method: http.MethodDelete, key: key, query: url.Values{"uploadId": {id}}})
	return err
}

// uploads are the ids of the unfinished uploads of a key.
func (c *client) uploads(ctx context.Context, key string) (ids []string, err error) {
	_, text, err := c.do(ctx, request{method: http.MethodGet, query: url.Values{"uploads": {""}, "prefix": {key}}})
	if err != nil {
		return nil, err
	}
	var answer struct {
		Upload []struct{ Key, UploadId string }
	}
	if err := read(text, &answer); err != nil {
		return nil, err
	}
	for _, one := range answer.Upload {
		if one.Key == key && one.UploadId != "" {
			ids = append(ids, one.UploadId)
		}
	}
	return ids, nil
}

// parts are those of an upload that arrived, by number.
func (c *client) parts(ctx context.Context, key, id string) (map[int32]part, error) {
	there := map[int32]part{}
	for after := ""; ; {
		query := url.Values{"uploadId": {id}}
		if after != "" {
			query.Set("part-number-marker", after)
		}
		_, text, err := c.do(ctx, request{method: http.MethodGet, key: key, query: query})
		if err != nil {
			return nil, err
		}
		var page struct {
			IsTruncated          bool
			NextPartNumberMarker string
			Part                 []part
		}
		if err := read(text, &page); err != nil {
			return nil, err
		}
		for _, p := range page.Part {
			there[p.PartNumber] = p
		}
		if !page.IsTruncated || page.NextPartNumberMarker == after {
			return there, nil
		}
		after = page.NextPartNumberMarker
	}
}

func read(text []byte, into any) error {
	if err := xml.Unmarshal(text, into); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	return nil
}
