//! What `Arc` does by a detour, directly. These stand on the path of every small operation, where a
//! move of two hundred bytes or an atomic exchange is a good part of the cost.

use std::sync::Arc;

/// An `Arc` whose value is written where it will stay; `Arc::new` makes it on the stack and moves it.
#[inline(always)]
pub fn arc_in_place<T>(make: impl FnOnce() -> T) -> Arc<T> {
    let arc = Arc::<T>::new_uninit();
    // SAFETY: nobody else knows the fresh allocation, and it is written before it is called a T.
    unsafe {
        Arc::as_ptr(&arc).cast_mut().cast::<T>().write(make());
        arc.assume_init()
    }
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
        let mut a = arc_in_place(|| 1);
        *arc_get_mut(&mut a).unwrap() = 2;
        let weak = Arc::downgrade(&a);
        assert!(arc_get_mut(&mut a).is_none());
        drop(weak);
        let b = a.clone();
        assert!(arc_get_mut(&mut a).is_none());
        drop(b);
        assert_eq!(arc_get_mut(&mut a), Some(&mut 2));
    }
}
