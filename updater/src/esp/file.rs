//! Files of a volume: made and read through fatfs, made in two ordered phases.

use std::io::{self, Read, Seek, SeekFrom, Write};

use edeploy_format::digest::{Digest, Hasher};
use fatfs::{FileSystem, FsOptions};

use super::EspError;
use super::cache::Cache;
use super::device::{BlockDevice, SyncId};
use super::folder::Folders;
use super::geometry::Geometry;

/// Bytes handed on at once.
const PIECE: usize = 1 << 18;

fn mount<D: BlockDevice>(cache: &mut Cache<D>) -> io::Result<FileSystem<&mut Cache<D>>> {
    cache.seek(SeekFrom::Start(0))?;
    FileSystem::new(cache, FsOptions::new())
}

/// Makes the file `name` in `folder` with all of `content`, and says what the digest of that was.
///
/// First everything but the name becomes durable, then the name. The caller has made sure that there
/// is no such file and enough room, and discards the cache when this fails: nothing names what was
/// written then.
pub(super) fn create<D: BlockDevice>(
    cache: &mut Cache<D>,
    volume: &Geometry,
    folder: &str,
    name: &str,
    content: &mut dyn Read,
    accept: impl FnOnce(Digest) -> Result<(), EspError>,
) -> Result<(), EspError> {
    let folders = Folders::read(cache, volume)?;
    let path = format!("{folder}/{name}");
    if !folders.find(folder)?.has_room_for(name) {
        return Err(EspError::FolderFull { folder: folder.to_owned() });
    }
    let writing = EspError::writing(&path);
    cache.stream(folders.streams(volume));
    fill(cache, &path, content).map_err(&writing).and_then(accept)?;
    let streams = folders.streams(volume);
    cache.flush_where(|number| !streams.folders.contains(&number)).map_err(&writing)?;
    cache.sync(SyncId::EspContent).map_err(&writing)?;
    cache.flush_where(|_| true).map_err(&writing)?;
    cache.sync(SyncId::EspName).map_err(&writing)
}

fn fill<D: BlockDevice>(cache: &mut Cache<D>, path: &str, content: &mut dyn Read) -> io::Result<Digest> {
    let system = mount(cache)?;
    let mut hasher = Hasher::new();
    {
        let mut file = system.root_dir().create_file(path)?;
        let mut piece = vec![0; PIECE];
        loop {
            let length = content.read(&mut piece)?;
            if length == 0 {
                break;
            }
            hasher.update(&piece[..length]);
            file.write_all(&piece[..length])?;
            file.flush()?;
        }
    }
    system.unmount()?;
    Ok(hasher.finish())
}

/// Hands the content of the file at `path` on, piece by piece.
pub(super) fn read<D: BlockDevice>(
    cache: &mut Cache<D>,
    path: &str,
    mut take: impl FnMut(&[u8]),
) -> Result<(), EspError> {
    let mut read = || -> io::Result<()> {
        let system = mount(cache)?;
        let mut file = system.root_dir().open_file(path)?;
        let mut piece = vec![0; PIECE];
        loop {
            let length = file.read(&mut piece)?;
            if length == 0 {
                return Ok(());
            }
            take(&piece[..length]);
        }
    };
    read().map_err(EspError::reading(path))
}
