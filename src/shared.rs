//! What `Arc` does by a detour, directly. These stand on the path of every small operation, where a
//! move of two hundred bytes or an atomic exchange is a good part of the cost.

use std::sync::Arc;

/// An `Arc` whose value is written where it will stay; `Arc::new` makes it on the stack and moves it.
/// A macro, as what a closure holds would be moved too.
macro_rules! arc_in_place {
    ($name:ident { $($fields:tt)* }) => {{
        let arc = std::sync::Arc::new_uninit();
        // SAFETY: nobody else knows the fresh allocation.
        let place = unsafe { &mut *std::sync::Arc::as_ptr(&arc).cast_mut() };
        place.write($name { $($fields)* });
        // SAFETY: written in the line above.
        unsafe { arc.assume_init() }
    }};
}
pub(crate) use arc_in_place;

/// `SmallVec::push` of a value that is made where it will stay. One that is made before there is surely
/// room for it goes through the stack, and reading its parts back as a whole stalls the processor.
macro_rules! push_in_place {
    ($list:expr, $value:expr) => {{
        let list = &mut $list;
        list.reserve(1);
        let len = list.len();
        // SAFETY: there is room for one more, which is counted once it is written.
        unsafe {
            list.as_mut_ptr().add(len).write($value);
            list.set_len(len + 1);
        }
    }};
}
pub(crate) use push_in_place;

/// The value of a handle that nobody else has had yet.
///
/// # Safety
/// There is no other handle, of either kind.
#[inline(always)]
pub unsafe fn arc_sole_mut<T>(arc: &mut Arc<T>) -> &mut T {
    debug_assert!(Arc::strong_count(arc) == 1 && Arc::weak_count(arc) == 0);
    // SAFETY: this is the only handle, and it is borrowed mutably as long as the value is.
    unsafe { &mut *Arc::as_ptr(arc).cast_mut() }
}

/// `Arc::get_mut` without locking the count of weak handles: with no other handle of either kind there
/// is nobody who could make one meanwhile.
#[inline]
pub fn arc_get_mut<T>(arc: &mut Arc<T>) -> Option<&mut T> {
    if Arc::strong_count(arc) != 1 || Arc::weak_count(arc) != 0 {
        return None;
    }
    // What other owners wrote before they let go is to be seen from here on.
    std::sync::atomic::fence(std::sync::atomic::Ordering::Acquire);
    // SAFETY: this is the only handle, and it is borrowed mutably as long as the value is.
    Some(unsafe { &mut *Arc::as_ptr(arc).cast_mut() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_only_handle_may_write() {
        struct Number {
            value: i32,
        }
        let mut a = arc_in_place!(Number { value: 1 });
        arc_get_mut(&mut a).unwrap().value = 2;
        let weak = Arc::downgrade(&a);
        assert!(arc_get_mut(&mut a).is_none());
        drop(weak);
        let b = a.clone();
        assert!(arc_get_mut(&mut a).is_none());
        drop(b);
        // SAFETY: the other handles are gone.
        unsafe { arc_sole_mut(&mut a) }.value = 2;
        assert_eq!(arc_get_mut(&mut a).map(|n| n.value), Some(2));
    }

    #[test]
    fn lists_grow_in_place() {
        let mut list: smallvec::SmallVec<[String; 2]> = smallvec::SmallVec::new();
        for i in 0..5 {
            push_in_place!(list, i.to_string());
        }
        assert_eq!(list.join(" "), "0 1 2 3 4");
    }
}
