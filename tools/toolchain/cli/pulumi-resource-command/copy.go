package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/pkg/sftp"
)

// source is what is to be copied: a file, a folder, or a text.
type source struct {
	path   string
	text   string
	isText bool
}

// copyOver puts src at the place dest of the machine that the input connection names.
func copyOver(ctx context.Context, in inputs, src source, dest string, note func(string)) error {
	client, err := dial(ctx, in.object("connection"), note)
	if err != nil {
		return err
	}
	defer client.Close()
	defer context.AfterFunc(ctx, client.Close)()
	files, err := sftp.NewClient(client.Client)
	if err == nil {
		defer files.Close()
		err = src.send(files, dest)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("cancelled: %w", ctx.Err())
	}
	return client.cause(err)
}

// send copies s to dest. A file goes into dest where that is a folder, and so does
// a folder whose path doesn't end in a slash; of one whose path does, the content.
func (s source) send(files *sftp.Client, dest string) error {
	there, err := kind(files, dest)
	if err != nil {
		return err
	}
	if s.isText {
		if there == folder {
			return fmt.Errorf("%s is a folder: a text needs the path of a file", dest)
		}
		return write(files, dest, strings.NewReader(s.text))
	}
	here, err := os.Stat(s.path)
	if err != nil {
		return err
	}
	if !here.IsDir() {
		if there == folder {
			dest = path.Join(dest, filepath.Base(s.path))
		}
		return sendFile(files, s.path, dest)
	}
	if there == file {
		return fmt.Errorf("%s is a file: a folder can't be copied there", dest)
	}
	if !strings.HasSuffix(s.path, "/") {
		dest = path.Join(dest, filepath.Base(s.path))
	}
	return filepath.WalkDir(s.path, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(s.path, name)
		if err != nil {
			return err
		}
		to := path.Join(dest, filepath.ToSlash(rel))
		if entry.IsDir() {
			if err := files.MkdirAll(to); err != nil {
				return fmt.Errorf("%s: %w", to, err)
			}
			return nil
		}
		return sendFile(files, name, to)
	})
}

func sendFile(files *sftp.Client, name, dest string) error {
	in, err := os.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	return write(files, dest, in)
}

// write makes the file dest, and the folders that it is in, with what in holds.
func write(files *sftp.Client, dest string, in io.Reader) error {
	if err := files.MkdirAll(path.Dir(dest)); err != nil {
		return fmt.Errorf("%s: %w", path.Dir(dest), err)
	}
	out, err := files.Create(dest)
	if err != nil {
		return fmt.Errorf("%s: %w", dest, err)
	}
	_, err = out.ReadFrom(in)
	if err := errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("%s: %w", dest, err)
	}
	return nil
}

// kind says what is at a path of the other machine.
func kind(files *sftp.Client, name string) (int, error) {
	info, err := files.Stat(name)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nothing, nil
	case err != nil:
		return nothing, fmt.Errorf("%s: %w", name, err)
	case info.IsDir():
		return folder, nil
	}
	return file, nil
}

const (
	nothing = iota
	file
	folder
)
